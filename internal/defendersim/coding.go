// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strconv"
	"strings"
	"sync"
)

// chooseCoding picks a content coding among those a client offers: deflate
// before gzip, as the API does, and "" for none.
func chooseCoding(accept []string) string {
	offered := make(map[string]bool)
	for offer := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, parameters, _ := strings.Cut(offer, ";")
		offered[strings.ToLower(strings.TrimSpace(name))] = acceptable(parameters)
	}
	for _, coding := range []string{"deflate", "gzip"} {
		if offered[coding] {
			return coding
		}
	}
	return ""
}

// acceptable reports whether an offer's parameters do not exclude it with a
// quality of 0.
func acceptable(parameters string) bool {
	_, quality, found := strings.Cut(strings.ReplaceAll(parameters, " ", ""), "q=")
	if !found {
		return true
	}
	q, err := strconv.ParseFloat(quality, 64)
	return err == nil && q > 0
}

// coder is a reusable compressing writer.
type coder interface {
	io.WriteCloser
	Reset(io.Writer)
}

// coders keeps compressing writers for the next response: each one takes
// hundreds of kilobytes.
type coders struct {
	zlib, flate, gzip sync.Pool
}

func (c *coders) get(coding string, raw bool, to io.Writer) io.WriteCloser {
	switch {
	case coding == "gzip":
		return take(&c.gzip, to, func() coder { w, _ := gzip.NewWriterLevel(to, gzip.BestSpeed); return w })
	case raw:
		return take(&c.flate, to, func() coder { w, _ := flate.NewWriter(to, flate.BestSpeed); return w })
	default:
		return take(&c.zlib, to, func() coder { w, _ := zlib.NewWriterLevel(to, zlib.BestSpeed); return w })
	}
}

func take(pool *sync.Pool, to io.Writer, make func() coder) io.WriteCloser {
	c, spare := pool.Get().(coder)
	if !spare {
		c = make()
	}
	c.Reset(to)
	return pooled{c, pool}
}

// pooled returns to its pool when it is closed.
type pooled struct {
	coder
	pool *sync.Pool
}

func (p pooled) Close() error {
	err := p.coder.Close()
	p.pool.Put(p.coder)
	return err
}
