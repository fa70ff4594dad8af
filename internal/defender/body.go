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
	"math"
	"net/http"
)

// acceptEncoding is sent with every request, which also keeps the transport
// from undoing gzip by itself: the limit counts decoded bytes here. The
// service picks deflate when it is offered.
const acceptEncoding = "gzip, deflate"

var (
	errTooLarge = errors.New("larger than max_response_body_size")
	errCoding   = errors.New("a content coding that was not asked for")
)

// maxRest is how much of a body is read behind the end of its coding, in bytes.
const maxRest = 4 << 10

// readBody reads the whole body, undoing its content coding, up to limit
// decoded bytes. A longer one is errTooLarge, and its beginning.
func readBody(response *http.Response, limit int64) ([]byte, error) {
	decoded, err := decoded(response.Body, response.Header.Get("Content-Encoding"))
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil // an empty body, whatever its coding is said to be
	case err != nil:
		return nil, err
	}
	limit = min(limit, math.MaxInt64-1)
	var body bytes.Buffer
	if n := response.ContentLength; n > 0 {
		body.Grow(int(min(n, limit, 1<<20)) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(decoded, limit+1))
	switch {
	case n > limit:
		return body.Bytes(), errTooLarge
	case err != nil:
		return nil, err
	}
	// A connection is used again only if the end of its answer was read, and
	// a deflate stream ends before the chunks that carry it do.
	_, _ = io.CopyN(io.Discard, response.Body, maxRest)
	return body.Bytes(), nil
}

func decoded(body io.Reader, coding string) (io.Reader, error) {
	switch coding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate":
		return inflate(body)
	}
	return nil, fmt.Errorf("%w: %q", errCoding, plain(coding))
}

// inflate undoes deflate in both of its forms: HTTP means the zlib format by
// it, some servers send the bare stream.
func inflate(body io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(body)
	head, err := buffered.Peek(2)
	if err != nil {
		return buffered, nil //nolint:nilerr // too short to be either: reading it says what is wrong
	}
	const deflateMethod, checkMultiple = 8, 31 // RFC 1950, section 2.2
	if head[0]&0x0f == deflateMethod && (int(head[0])<<8|int(head[1]))%checkMultiple == 0 {
		return zlib.NewReader(buffered)
	}
	return flate.NewReader(buffered), nil
}
