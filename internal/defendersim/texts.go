// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"sync"
)

// maxTexts bounds the rows that are kept, in bytes.
const maxTexts = 128 << 20

// texts keep the last row that Defender XDR's List wrote of each incident, and
// Graph's list of alerts of each alert, so pages of unchanged rows cost little.
type texts struct {
	mu    sync.Mutex
	byKey map[textKey]text
	size  int
	limit int // of size
}

// textKey identifies what a text shows, and whether it contains newer
// members of enumerations.
type textKey struct {
	rowKey
	newer bool
}

// text is an incident or an alert in one of its states: the members of its object.
type text struct {
	version int
	members []byte // nobody may write to them
}

func newTexts() texts { return texts{byKey: make(map[textKey]text), limit: maxTexts} }

// of returns the kept text of a row; nil: there is none.
func (t *texts) of(key textKey, row *shown) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept := t.byKey[key]; kept.version == row.version {
		return kept.members
	}
	return nil
}

// keep replaces what was kept under the same key. If there is too much,
// it drops others.
func (t *texts) keep(key textKey, row *shown, members []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(key)
	for other := range t.byKey {
		if t.size+len(members) <= t.limit {
			break
		}
		t.drop(other)
	}
	t.byKey[key] = text{row.version, members}
	t.size += len(members)
}

func (t *texts) drop(key textKey) {
	t.size -= len(t.byKey[key].members)
	delete(t.byKey, key)
}

// appendRow writes the members of a row that were requested.
func (x *exchange) appendRow(w *writer, row *shown) {
	if x.dialect.keepsRows && (!x.partial || row.alert != nil) {
		w.buf = append(w.buf, x.selection(x.members(row))...)
		return
	}
	start := len(w.buf)
	x.dialect.row(x, w, x.view(*row.incident))
	if x.query.selected != nil {
		w.buf = append(w.buf[:start], x.selection(bytes.Clone(w.buf[start:]))...)
	}
}

// members are the members of a row in a call without a fault.
func (x *exchange) members(row *shown) []byte {
	key := textKey{row.key(), x.preferred}
	if kept := x.s.texts.of(key, row); kept != nil {
		return kept
	}
	w := &writer{}
	x.writeMembers(w, row)
	members := bytes.Clone(w.buf)
	x.s.texts.keep(key, row, members)
	return members
}

func (x *exchange) writeMembers(w *writer, row *shown) {
	if row.alert != nil {
		x.graph(w).alertMembers(row.alert)
		return
	}
	x.dialect.row(x, w, x.dialect.view(x, *row.incident))
}

// whole writes an incident as Get shows it. If a row would be the same, the
// row's text is reused.
func (x *exchange) whole(row *shown, v view) []byte {
	if !x.dialect.keepsRows || x.partial || x.s.cfg.ListDiffers || len(row.incident.Alerts) > maxAlerts {
		return x.dialect.render(x, v)
	}
	return wholeXDR(x.members(row))
}
