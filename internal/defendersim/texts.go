package defendersim

import (
	"bytes"
	"sync"
)

// maxTexts bounds what is kept of rows that were written, in bytes.
const maxTexts = 128 << 20

// texts keep what Defender XDR's List wrote of each incident last, so that pages
// of incidents that have not changed cost little.
type texts struct {
	mu    sync.Mutex
	byID  map[int64]text
	size  int
	limit int // of size
}

// text is an incident in one of its states: the members of its object.
type text struct {
	state   int
	members []byte // nobody may write to them
}

func newTexts() texts { return texts{byID: make(map[int64]text), limit: maxTexts} }

// of returns what was kept of an incident in a state; nil: nothing.
func (t *texts) of(row *shown) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept := t.byID[row.incident.ID]; kept.state == row.state {
		return kept.members
	}
	return nil
}

// keep takes the place of what was kept of the same incident. Where there is too
// much, others make room.
func (t *texts) keep(row *shown, members []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(row.incident.ID)
	for id := range t.byID {
		if t.size+len(members) <= t.limit {
			break
		}
		t.drop(id)
	}
	t.byID[row.incident.ID] = text{row.state, members}
	t.size += len(members)
}

func (t *texts) drop(id int64) {
	t.size -= len(t.byID[id].members)
	delete(t.byID, id)
}

// appendRow writes the members of a row.
func (x *exchange) appendRow(w *writer, row *shown) {
	if x.dialect.keepsRows && !x.partial {
		w.buf = append(w.buf, x.members(row)...)
		return
	}
	x.dialect.row(x, w, x.view(row.incident))
}

// members are those of an incident as a call shows it that alters nothing.
func (x *exchange) members(row *shown) []byte {
	if kept := x.s.texts.of(row); kept != nil {
		return kept
	}
	w := &writer{}
	x.dialect.row(x, w, x.dialect.view(x, row.incident))
	members := bytes.Clone(w.buf)
	x.s.texts.keep(row, members)
	return members
}

// whole writes an incident as Get shows it. Where a row would be the same, what
// was written of that will do.
func (x *exchange) whole(row *shown, v view) []byte {
	if !x.dialect.keepsRows || x.partial || x.s.cfg.ListDiffers || len(row.incident.Alerts) > maxAlerts {
		return x.dialect.render(x, v)
	}
	return wholeXDR(x.members(row))
}
