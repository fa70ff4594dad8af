// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import "context"

// leaderElector is the part of the extension k8s_leader_elector that the
// receiver uses. It does not import that extension, which would add the
// Kubernetes client to every collector. A test of the e2e module checks that
// the extension implements this interface.
//
// The extension calls started and stopped under one lock that all receivers
// share, so neither may block. It calls started at once if it already leads.
// The context of started ends with the leadership, except in that last case.
type leaderElector interface {
	SetCallBackFuncs(started func(context.Context), stopped func())
}
