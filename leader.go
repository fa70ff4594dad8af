// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import "context"

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
