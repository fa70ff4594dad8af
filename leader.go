package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
)

// leaderElector is what the receiver uses of the extension k8s_leader_elector. It
// does not import that extension, which would add the client of Kubernetes to
// every collector. A test of the e2e module holds the extension to this interface.
//
// The extension calls started and stopped under one lock, each in turn with those
// of other receivers, so neither may block; started at once if it already leads. The
// context of started ends with the leadership, except in that last case.
type leaderElector interface {
	SetCallBackFuncs(started func(context.Context), stopped func())
}

func (c *Config) leaderElector(extensions map[component.ID]component.Component) (leaderElector, error) {
	extension, exists := extensions[*c.LeaderElectorID]
	if !exists {
		return nil, fmt.Errorf("k8s_leader_elector: there is no extension %s; add it to extensions and to service::extensions", c.LeaderElectorID)
	}
	elector, ok := extension.(leaderElector)
	if !ok {
		return nil, fmt.Errorf("k8s_leader_elector: the extension %s elects no leader; use one of the type k8s_leader_elector", c.LeaderElectorID)
	}
	return elector, nil
}
