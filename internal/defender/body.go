package defender

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
// decoded bytes. A longer one is errTooLarge.
func readBody(response *http.Response, limit int64) ([]byte, error) {
	body, err := decoded(response)
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

// drain reads what comes behind the end of a coding. A connection is used again
// only if the end of its answer was read, and a deflate stream ends before the
// chunks that carry it do.
func drain(response *http.Response) { _, _ = io.CopyN(io.Discard, response.Body, maxRest) }

// decoded undoes a body's content coding. One without a byte is empty, whatever
// its coding is said to be.
func decoded(response *http.Response) (io.Reader, error) {
	body := response.Body
	switch coding := response.Header.Get("Content-Encoding"); coding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(body)
		if errors.Is(err, io.EOF) {
			return strings.NewReader(""), nil
		}
		return unzipped, err
	case "deflate":
		return inflate(body)
	default:
		return nil, fmt.Errorf("%w: %q", errCoding, plain(coding))
	}
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
