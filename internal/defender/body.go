// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// acceptEncoding is sent with every request, which also keeps the transport
// from undoing gzip by itself: the limit counts decoded bytes here. The
// service picks deflate when it is offered.
const acceptEncoding = "gzip, deflate"

var (
	errTooLarge = errors.New("larger than max_response_body_size")
	errCoding   = errors.New("a content encoding that was not requested")
	errCodings  = errors.New("too many content encodings")
	errUTF16    = errors.New("UTF-16 instead of UTF-8")
)

const (
	// maxRest is how many bytes are read after the end of the coding.
	maxRest = 4 << 10
	// maxCodings bounds the codings of a body. One is usual; a proxy may add another.
	maxCodings = 4
)

// The codings that can be decoded, as the header spells them.
const (
	codingGzip    = "gzip"
	codingDeflate = "deflate"
)

// byteOrderMark may precede a text (RFC 8259, section 8.1: parsers may ignore it).
const byteOrderMark = "\ufeff"

// readBody reads the whole body and decodes it, up to limit bytes after
// decoding. A longer one is errTooLarge.
func readBody(response *http.Response, limit int64) ([]byte, error) {
	body, err := decoded(response, limit)
	if err != nil {
		return nil, err
	}
	all := source{from: body, limit: limit, keep: true}
	if all.rest(); all.err != nil {
		return nil, all.err
	}
	drain(response)
	return all.kept, nil
}

// drain reads what follows the end of a coding. A connection is reused only if
// the response was read to its end, and a deflate stream ends before the chunks
// that carry it do.
func drain(response *http.Response) { _, _ = io.CopyN(io.Discard, response.Body, maxRest) }

// decoded undoes a body's content codings, the last one first, and skips a byte
// order mark. Each coding may produce up to limit bytes. A body without a byte
// is empty, whatever coding the header states.
func decoded(response *http.Response, limit int64) (io.Reader, error) {
	codings, err := contentCodings(response.Header)
	if err != nil {
		return nil, err
	}
	body := io.Reader(response.Body)
	for i, coding := range slices.Backward(codings) {
		if body, err = undo(coding, body); err != nil {
			return nil, err
		}
		if i > 0 {
			body = &source{from: body, limit: limit}
		}
	}
	return text(body)
}

// contentCodings are the codings of a body, in the order in which they were
// applied. Their case does not matter (RFC 9110, section 8.4).
func contentCodings(header http.Header) (codings []string, err error) {
	for _, field := range header.Values("Content-Encoding") {
		for named := range strings.SplitSeq(field, ",") {
			named = strings.TrimSpace(named)
			switch coding := strings.ToLower(named); coding {
			case "", "identity":
				continue
			case codingGzip, "x-gzip":
				codings = append(codings, codingGzip)
			case codingDeflate:
				codings = append(codings, codingDeflate)
			default:
				return nil, fmt.Errorf("%w: %q", errCoding, plain(named))
			}
			if len(codings) > maxCodings {
				return nil, errCodings
			}
		}
	}
	return codings, nil
}

func undo(coding string, body io.Reader) (io.Reader, error) {
	if coding == codingDeflate {
		return inflate(body)
	}
	unzipped, err := gzip.NewReader(bufio.NewReader(body))
	if errors.Is(err, io.EOF) {
		return strings.NewReader(""), nil
	}
	return unzipped, err
}

// inflate decodes both forms of deflate: HTTP means the zlib format, but some
// servers send the bare stream.
func inflate(body io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(body)
	head, err := peek(buffered, 2)
	switch {
	case err != nil:
		return nil, err
	case len(head) < 2: // too short to be either: reading it says what is wrong
		return buffered, nil
	case isZlib(head):
		return zlib.NewReader(buffered)
	}
	return flate.NewReader(buffered), nil
}

// isZlib reports whether a stream begins like one in the zlib format.
func isZlib(head []byte) bool {
	const deflateMethod, checkMultiple = 8, 31 // RFC 1950, section 2.2
	return head[0]&0x0f == deflateMethod && (int(head[0])<<8|int(head[1]))%checkMultiple == 0
}

// text decompresses a body that is still compressed, because a proxy may have
// dropped the header that says so, and skips a byte order mark.
func text(body io.Reader) (io.Reader, error) {
	buffered, head, err := begin(body)
	if coding := undeclared(head); err == nil && coding != "" {
		if body, err = undo(coding, buffered); err != nil {
			return nil, err
		}
		buffered, head, err = begin(body)
	}
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, errUTF16
	case string(head) == byteOrderMark:
		_, err = buffered.Discard(len(byteOrderMark))
	}
	return buffered, err
}

// undeclared returns the coding of a body that has one without a header; empty:
// it has none. No JSON begins with these bytes.
func undeclared(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return codingGzip
	case len(head) > 1 && head[0] == 'x' && isZlib(head): // with a window of 32 KiB, as all zlib encoders choose
		return codingDeflate
	}
	return ""
}

// begin returns a body and its first bytes. Large reads bypass the buffer.
func begin(body io.Reader) (buffered *bufio.Reader, head []byte, err error) {
	buffered = bufio.NewReaderSize(body, len(byteOrderMark))
	head, err = peek(buffered, len(byteOrderMark))
	return buffered, head, err
}

// peek returns the next n bytes, or fewer if the body ends before.
func peek(buffered *bufio.Reader, n int) (head []byte, err error) {
	if head, err = buffered.Peek(n); errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}
