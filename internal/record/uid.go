// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// incidentUID returns the UID of the incident's own record. It covers everything that
// may differ between two records of an incident.
func (b Builder) incidentUID(o Observation) string {
	var alerts string
	if n, known := b.alertCount(o); known {
		alerts = count(uint64(n))
	} else if o.Snapshot != nil && o.Snapshot.Incomplete { // there is no count, and the alerts shown may vary
		alerts = "shown"
		for _, a := range o.Snapshot.Alerts {
			alerts += " " + strconv.Quote(a.ID)
		}
	}
	digest := o.After.Digest(b.Alerts == incident.Embedded)
	parts := append(make([]string, 0, 16), b.origin(o), strconv.FormatInt(o.ID, 10), eventIncident,
		string(o.Change.Kind), count(o.After.Revision), string(digest[:]), seen(o.Change.Kind, o.Observed), alerts)
	return uid(append(parts, o.Change.Fields...)...)
}

func (b Builder) alertUID(o Observation, change incident.AlertChange) string {
	return uid(b.origin(o), strconv.FormatInt(o.ID, 10), eventAlert, change.ID,
		string(change.Kind), count(change.Revision), string(change.Digest[:]), seen(change.Kind, o.Observed))
}

// seen distinguishes the records of unchanged content, which all have
// the same revision.
func seen(kind incident.Kind, observed time.Time) string {
	if kind != incident.Unchanged {
		return ""
	}
	return strconv.FormatInt(observed.UnixNano(), 10)
}

// origin distinguishes the incidents of different tenants, which may have the same IDs.
func (b Builder) origin(o Observation) string {
	if o.Tenant != "" {
		return o.Tenant
	}
	return b.Host
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// uid returns 32 hexadecimal digits. Each part is preceded by its length, so different
// lists of parts never form the same text.
func uid(parts ...string) string {
	text := make([]byte, 0, 256) // on the stack
	for _, part := range parts {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
