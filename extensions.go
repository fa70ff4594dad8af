// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// checkExtensions reports the extensions in the configuration that do not run, or
// are of another kind. This is only known at the start: validation sees one section.
func (c *Config) checkExtensions(running map[component.ID]component.Component) error {
	var errs []error
	if auth := c.HTTP.Auth.Get(); auth != nil {
		const key = "http::auth::authenticator"
		extension, err := find(running, key, auth.AuthenticatorID)
		if _, ok := extension.(extensionauth.HTTPClient); !ok && err == nil {
			err = fmt.Errorf("%s: the extension %s does not sign in to an HTTP API; use one such as azureauth", key, auth.AuthenticatorID)
		}
		errs = append(errs, err)
	}
	if c.StorageID != nil {
		extension, err := find(running, "storage", *c.StorageID)
		if _, ok := extension.(storage.Extension); !ok && err == nil {
			err = fmt.Errorf("storage: the extension %s is not a storage; use one such as file_storage", c.StorageID)
		}
		errs = append(errs, err)
	}
	if c.LeaderElectorID != nil {
		const key = "k8s_leader_elector"
		extension, err := find(running, key, *c.LeaderElectorID)
		if _, ok := extension.(leaderElector); !ok && err == nil {
			err = fmt.Errorf("%s: the extension %s is not a leader elector; use one of type k8s_leader_elector", key, c.LeaderElectorID)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func find(running map[component.ID]component.Component, key string, id component.ID) (component.Component, error) {
	extension, found := running[id]
	if !found {
		return nil, fmt.Errorf("%s: there is no extension %s; add it to extensions and to service::extensions", key, id)
	}
	return extension, nil
}
