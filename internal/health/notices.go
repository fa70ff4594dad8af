// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// signInCodes are the error codes of Entra ID, in an error's text.
var signInCodes = regexp.MustCompile(`AADSTS\d+`)

// causeOf distinguishes errors that need different remedies. Their whole text
// cannot be used: it may contain the ID of the request.
func causeOf(failure *defender.Error) string {
	text := failure.Error()
	if failure.Err != nil { // the text of the error is cut
		text += failure.Err.Error()
	}
	codes := signInCodes.FindAllString(text, -1)
	slices.Sort(codes)
	return fmt.Sprint(failure.Kind, failure.Status, failure.Code, strings.Join(slices.Compact(codes), " "))
}

// levelOf is the level of a state of an endpoint. Polling shows alerts even
// without their list.
func levelOf(e Endpoint, c class) zapcore.Level {
	if c == unavailable || e == AlertList {
		return zapcore.WarnLevel
	}
	return zapcore.ErrorLevel
}

func stateRaised(e Endpoint, c class, s *state) Notice {
	fields := append([]zap.Field{zap.String("reason", c.String()), zap.Error(s.failure)}, advice(e, c, s.failure)...)
	return Notice{Level: levelOf(e, c), Message: raisedMessage(e, c, s.failure), Fields: fields}
}

func stateCleared(e Endpoint, c class, s *state) Notice {
	return Notice{Level: zapcore.InfoLevel, Message: clearedMessage(e, c), Fields: []zap.Field{
		zap.String("reason", c.String()), zap.Time("since", s.since),
		Duration("duration", s.ended.Sub(s.since).Round(time.Second)),
	}}
}

func anotherCause(e Endpoint, c class, failure *defender.Error) Notice {
	fields := []zap.Field{zap.Stringer("endpoint", e), zap.String("reason", c.String()), zap.Error(failure)}
	return Notice{Level: levelOf(e, c), Message: msgAnotherCause, Fields: append(fields, advice(e, c, failure)...)}
}

// incidentFailed logs an incident that fails alone.
func incidentFailed(s *Streak, err error) Notice {
	n := Notice{Level: zapcore.WarnLevel, Message: msgIncidentFailed, Fields: []zap.Field{zap.Int64("incident", s.id), zap.Error(err)}}
	switch s.kind {
	case defender.NotFound:
		n.Message = msgIncidentNotFound
	case defender.Unauthorized, defender.Forbidden:
		n.Level, n.Message = zapcore.ErrorLevel, msgIncidentDenied
	case defender.Redirect, defender.Rejected:
		n.Level = zapcore.ErrorLevel
	case unreadable:
		n.Level, n.Message = zapcore.ErrorLevel, msgIncidentUnreadable
	default:
	}
	if failure, ok := errors.AsType[*defender.Error](err); ok {
		n.Fields = append(n.Fields, refusal(failure)...)
	}
	return n
}

func moreIncidents(kind defender.Kind) Notice {
	return Notice{Level: zapcore.WarnLevel, Message: msgMoreIncidents, Fields: []zap.Field{zap.String("kind", kindName(kind))}}
}

func incidentRecovered(s *Streak, now time.Time) Notice {
	return Notice{Level: zapcore.InfoLevel, Message: msgIncidentRecovered, Fields: []zap.Field{
		zap.Int64("incident", s.id), zap.String("kind", kindName(s.kind)), zap.Int("failures", s.run.failures),
		Duration("duration", now.Sub(s.run.since).Round(time.Second)),
	}}
}

// advice are the fields that say what to check. If only the list of alerts is
// misconfigured, it may be missing at that endpoint.
func advice(e Endpoint, c class, failure *defender.Error) []zap.Field {
	if c == misconfigured && e != AlertList {
		return []zap.Field{zap.String("advice", "check http::endpoint and any proxy")}
	}
	return refusal(failure)
}

// refusal are the fields that say what to do, and that explain a rejected
// token: the permission it needs, and what its claims are. Most other
// failures have none.
func refusal(failure *defender.Error) []zap.Field {
	if failure.Advice == "" {
		return nil
	}
	fields := []zap.Field{zap.String("advice", failure.Advice)}
	if failure.Permission != "" {
		fields = append(fields, zap.String("permission_needed", failure.Permission))
	}
	token := failure.Token
	if token == nil {
		return fields
	}
	fields = append(fields, zap.Strings("token_audience", token.Audience), zap.String("token_tenant", token.Tenant),
		zap.String("token_application", token.Application), zap.Strings("token_roles", token.Roles))
	if len(token.Scopes) > 0 {
		fields = append(fields, zap.Strings("token_scopes", token.Scopes))
	}
	if !token.Expires.IsZero() {
		fields = append(fields, zap.Time("token_expires", token.Expires))
	}
	return fields
}
