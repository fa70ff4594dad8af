// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"sync"
)

// maxTexts bounds what is kept of rows that were written, in bytes.
const maxTexts = 128 << 20

// texts keep what Defender XDR's List wrote of each incident last, and Graph's list
// of alerts of each alert, so that pages of what has not changed cost little.
type texts struct {
	mu    sync.Mutex
	byKey map[textKey]text
	size  int
	limit int // of size
}

// textKey says of what a text is, and whether newer members of enumerations are in
// it.
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

// of returns what was kept of a row; nil: nothing.
func (t *texts) of(key textKey, row *shown) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept := t.byKey[key]; kept.version == row.version {
		return kept.members
	}
	return nil
}

// keep takes the place of what was kept by the same key. Where there is too
// much, others make room.
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

// appendRow writes the members of a row that were asked for.
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

// members are those of a row as a call shows it that alters nothing.
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

// whole writes an incident as Get shows it. Where a row would be the same, what
// was written of that will do.
func (x *exchange) whole(row *shown, v view) []byte {
	if !x.dialect.keepsRows || x.partial || x.s.cfg.ListDiffers || len(row.incident.Alerts) > maxAlerts {
		return x.dialect.render(x, v)
	}
	return wholeXDR(x.members(row))
}
