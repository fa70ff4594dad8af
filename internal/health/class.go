// SPDX-License-Identifier: Apache-2.0

package health

import "github.com/seed2514a141/defenderincidentsreceiver/internal/defender"

// class groups failures with one cause. Higher is more severe.
type class uint8

const (
	own           class = iota // says nothing about the endpoint
	unavailable                // the API fails or cannot be reached
	misconfigured              // something other than the API responds
	denied                     // the API rejects the token
	wrongTarget                // the incidents that were delivered before are not there
	noToken                    // signing in fails
	classes
)

func (c class) String() string {
	switch c {
	case own:
		return "own"
	case unavailable:
		return "unavailable"
	case misconfigured:
		return "misconfigured"
	case denied:
		return "access denied"
	case wrongTarget:
		return "wrong target"
	case noToken:
		return "no token"
	case classes:
	}
	return "unknown"
}

func classOf(kind defender.Kind) class {
	switch kind {
	case defender.NoToken:
		return noToken
	case defender.Unauthorized, defender.Forbidden:
		return denied
	case defender.ServerError, defender.Network, defender.Timeout:
		return unavailable
	case defender.Redirect, defender.Rejected, defender.Malformed:
		return misconfigured
	case defender.NotFound, defender.Throttled, defender.Oversize:
	}
	return own
}
