package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// incidentUID is the same for the same state of the same incident, so that a
// record that was delivered twice can be told.
func (b Builder) incidentUID(o Observation) string {
	id := strconv.FormatInt(o.ID, 10)
	if o.Change.Kind == incident.NotFound {
		return uid(b.origin(o), id, EventIncident, "not_found", count(o.After.Disappearances))
	}
	digest := o.After.Digest(b.Alerts == incident.Embedded)
	return uid(b.origin(o), id, EventIncident, "state", string(digest[:]))
}

func (b Builder) alertUID(o Observation, change incident.AlertChange) string {
	id := strconv.FormatInt(o.ID, 10)
	if change.Kind == incident.Removed {
		return uid(b.origin(o), id, change.ID, EventAlert, "removed", count(change.Disappearance))
	}
	return uid(b.origin(o), id, change.ID, EventAlert, "state", string(change.Digest[:]))
}

// origin keeps the incidents of two tenants apart: ids are a tenant's own.
func (b Builder) origin(o Observation) string {
	if o.Tenant != "" {
		return o.Tenant
	}
	return b.Host
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// uid is 32 hexadecimal digits. Each part goes in with its length, so that no
// two lists of parts run into the same text.
func uid(parts ...string) string {
	text := make([]byte, 0, 256) // on the stack
	for _, part := range parts {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
