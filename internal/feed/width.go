// SPDX-License-Identifier: Apache-2.0

package feed

// width is how many rows to request, so that pages stay below the size limit for responses. A page that is too large is halved until it fits
// or until its only row is too large.
type width struct {
	largest int // the largest page, in rows
	top     int // rows of the next page
	full    int // rows of a page before one was too large
	until   int // the page that was too large ended before this row; 0: there was none, or it has been read
	most    int // size of the largest page that fit, in bytes
}

func newWidth(largest int) width { return width{largest: largest, top: largest} }

// tooLarge notes that a page of top rows starting at skip was too large. single: its only row is. That row is left out, and full pages follow.
func (w *width) tooLarge(skip, top int) (single bool) {
	if skip >= w.until {
		w.full = w.top
	}
	if top == 1 {
		w.top, w.until = w.full, 0
		return true
	}
	w.top, w.until = top/2, skip+top
	return false
}

// fits notes that a page that ended before the row end was not too large. After the rows that were too large, pages grow again, unless that
// makes them larger than any so far.
func (w *width) fits(end, size int) {
	w.most = max(w.most, size)
	if end < w.until {
		return
	}
	w.until = 0
	if 2*size < w.most {
		w.top = min(2*w.top, w.largest)
	}
}

// restart returns to full pages before the list is read from its beginning.
func (w *width) restart() {
	if w.until > 0 {
		w.top, w.until = w.full, 0
	}
}
