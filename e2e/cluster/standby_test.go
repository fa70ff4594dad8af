// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// standby is what the manifests for two collectors say about who may hold which lease.
type standby struct {
	documents [][]byte       // all but the RoleBinding
	binding   []byte         // the RoleBinding
	subject   rbacv1.Subject // the account that may hold the lease
	lease     string
}

func newStandby(t *testing.T) standby {
	t.Helper()
	var s standby
	for _, file := range []string{"client-secret.yaml", "standby.yaml"} {
		documents, err := split(read(t, file))
		require.NoError(t, err)
		for _, document := range documents {
			s.add(t, document)
		}
	}
	require.NotEmpty(t, s.binding)
	require.NotEmpty(t, s.lease)
	return s
}

func (s *standby) add(t *testing.T, document []byte) {
	t.Helper()
	var kind metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(document, &kind))
	switch kind.Kind {
	case "RoleBinding":
		require.Nil(t, s.binding, "one RoleBinding")
		var binding rbacv1.RoleBinding
		require.NoError(t, yaml.Unmarshal(document, &binding))
		require.Len(t, binding.Subjects, 1)
		s.binding, s.subject = document, binding.Subjects[0]
		return
	case "ConfigMap":
		var config corev1.ConfigMap
		require.NoError(t, yaml.Unmarshal(document, &config))
		var collector struct {
			Extensions struct {
				Elector struct {
					Lease string `json:"lease_name"`
				} `json:"k8s_leader_elector"`
			} `json:"extensions"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(config.Data["collector.yaml"]), &collector))
		s.lease += collector.Extensions.Elector.Lease
	}
	s.documents = append(s.documents, document)
}
