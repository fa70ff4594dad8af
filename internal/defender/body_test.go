// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// codings are the ways in which a response can be encoded, and what
// the header says.
var codings = []struct{ form, header string }{
	{"", ""},
	{"", "identity"},
	{"gzip", "gzip"},
	{"gzip", "x-gzip"},
	{"deflate", "deflate"},
	{"raw deflate", "deflate"},
	{"gzip", "GZIP"},
	{"gzip", "X-GZip"},
	{"deflate", "Deflate"},
	{"gzip", " identity , gzip,"},
	{"deflate, gzip", "deflate, gzip"},
	{"gzip, deflate", "gzip,identity,Deflate"},
	{"gzip, gzip, gzip, gzip", "gzip, gzip, gzip, gzip"},
	{"gzip", "identity"}, // not declared
	{"deflate", ""},
	{"gzip, gzip", "gzip"},
}

// encoded is the text in a coding, or in several, one after another.
func encoded(coding, text string) string {
	if first, others, several := strings.Cut(coding, ", "); several {
		return encoded(others, encoded(first, text))
	}
	var out bytes.Buffer
	var to io.WriteCloser
	switch coding {
	case "gzip":
		to = gzip.NewWriter(&out)
	case "deflate":
		to = zlib.NewWriter(&out)
	case "raw deflate":
		to, _ = flate.NewWriter(&out, flate.BestSpeed)
	default:
		return text
	}
	_, err := io.WriteString(to, text)
	if err := errors.Join(err, to.Close()); err != nil {
		panic(err)
	}
	return out.String()
}

func limited(t *testing.T, transport http.RoundTripper, limit int64) *Client {
	t.Helper()
	parsed, err := url.Parse(endpoint)
	require.NoError(t, err)
	return NewClient(&http.Client{Transport: transport}, Settings{Endpoint: parsed, MaxBody: limit, KeepOriginal: true})
}

func TestEveryContentEncodingIsDecoded(t *testing.T) {
	text := string(fixture(t, "incident.json"))
	for _, coding := range codings {
		result := limited(t, responding(200, encoded(coding.form, text), "Content-Encoding", coding.header), maxBody).
			Get(t.Context(), 4711)
		require.NoError(t, result.Err, coding)
		assert.Equal(t, len(text), result.Size, coding)
		assert.Equal(t, text, string(result.Snapshot.Original), coding)
		assert.Len(t, result.Snapshot.Alerts, 2, coding)
	}
}

func TestLimitCountsDecodedBytesExactly(t *testing.T) {
	text := `{"incidentId":1,"incidentName":"` + strings.Repeat("x", 5000) + `"}`
	size := int64(len(text))
	for _, coding := range codings {
		transport := responding(200, encoded(coding.form, text), "Content-Encoding", coding.header)
		for _, enough := range []int64{size, size + 1, math.MaxInt64} {
			assert.NoError(t, limited(t, transport, enough).Get(t.Context(), 1).Err, "%v, limit %d", coding, enough)
		}
		for _, little := range []int64{size - 1, 100, 1} {
			failure := failed(t, limited(t, transport, little).Get(t.Context(), 1))
			assert.Equal(t, Oversize, failure.Kind, "%v, limit %d", coding, little)
			assert.Contains(t, failure.Error(), "max_response_body_size")
		}
	}
}

// The two forms of deflate differ in two bytes; a bare stream may
// begin with bytes that look like one half of a zlib head.
func TestRawDeflateThatLooksLikeZlibIsDecoded(t *testing.T) {
	for name, body := range map[string]string{
		"the method": "\x08\x10\x00\xef\xff" + `{"incidentId":1}` + "\x01\x00\x00\xff\xff",
		"the check":  "\x01\x17\x00\xe8\xff" + `{"incidentId":      1 }`,
	} {
		assert.NoError(t, get(t, responding(200, body, "Content-Encoding", "deflate")).Err, name)
	}
}

func TestClaimedLengthAllocatesNoMemory(t *testing.T) {
	result := get(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		body := io.NopCloser(strings.NewReader(`{"incidentId":1}`))
		return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: math.MaxInt64, Request: r}, nil
	}))
	assert.NoError(t, result.Err)
}

// watched counts what is read of a body and notes whether its end was seen.
type watched struct {
	io.Reader
	read  int
	ended bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += n
	w.ended = w.ended || errors.Is(err, io.EOF)
	return n, err
}

func (w *watched) Close() error { return nil }

func bringing(status int, coding string, body *watched) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		header := http.Header{"Content-Encoding": {coding}}
		return &http.Response{StatusCode: status, Header: header, Body: body, ContentLength: -1, Request: r}, nil
	}
}

func TestDecompressionBombStopsAtTheLimit(t *testing.T) {
	bomb := encoded("gzip", strings.Repeat(" ", 16<<20))
	for status, kind := range map[int]Kind{200: Oversize, 500: ServerError, 404: Malformed} {
		body := &watched{Reader: strings.NewReader(bomb)}
		result := get(t, bringing(status, "gzip", body))
		assert.Equal(t, kind, failed(t, result).Kind)
		assert.Less(t, body.read, len(bomb)/2)
	}
	result := limited(t, faulty(t, "huge").RoundTripper(), maxBody).Get(t.Context(), 1001)
	assert.Equal(t, Oversize, failed(t, result).Kind)
}

// A connection is not reused unless the response was read to its end. The
// formats end before a chunked body does.
func TestBodyIsReadToItsEndSoThatTheConnectionIsReused(t *testing.T) {
	for _, coding := range codings {
		text := encoded(coding.form, `{"incidentId":1}`)
		body := &watched{Reader: io.MultiReader(strings.NewReader(text), strings.NewReader(""))}
		require.NoError(t, get(t, bringing(200, coding.header, body)).Err)
		assert.True(t, body.ended, coding)
	}
}

func TestCorruptContentIsMalformed(t *testing.T) {
	changed := func(coding string, at int, to byte) string {
		text := []byte(encoded(coding, `{"incidentId":1,"incidentName":"one of many"}`))
		if at < 0 {
			at += len(text)
		}
		text[at] ^= to
		return string(text)
	}
	for name, c := range map[string]struct{ coding, body string }{
		"a coding that was not asked for":           {"br", "{}"},
		"two codings, of which it has none":         {"deflate, gzip", `{"incidentId":1,"alerts":[]}`},
		"two codings in the other order":            {"deflate, gzip", encoded("gzip, deflate", `{"incidentId":1}`)},
		"a coding that was not asked for, and gzip": {"br, gzip", encoded("gzip", "{}")},
		"five codings": {"gzip, gzip, gzip, gzip, gzip", encoded("gzip, gzip, gzip, gzip, gzip", `{"incidentId":1}`)},
		"gzip twice, one of them declared nowhere": {"", encoded("gzip, gzip", `{"incidentId":1}`)},
		"not declared, with a wrong sum":           {"", changed("gzip", -8, 0xff)},
		"no gzip":                                  {"gzip", `{"incidentId":1,"alerts":[]}`},
		"gzip with a wrong sum":                    {"gzip", changed("gzip", -8, 0xff)},
		"gzip with a wrong length":                 {"gzip", changed("gzip", -1, 0xff)},
		"gzip of nonsense":                         {"gzip", encoded("gzip", "")[:10] + "\xff\xff\xff\xff\xff"},
		"zlib with a wrong sum":                    {"deflate", changed("deflate", -1, 0xff)},
		"zlib with too large a window":             {"deflate", "\x88\x1c\x00\x00\x00\x00"},
		"zlib with a dictionary":                   {"deflate", "\x78\x20\x00\x00\x00\x02\x00"},
		"zlib of nonsense":                         {"deflate", "\x78\x9c\xff\xff\xff\xff\xff"},
		"no deflate":                               {"deflate", `{"incidentId":1,"alerts":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			failure := failed(t, get(t, responding(200, c.body, "Content-Encoding", c.coding)))
			assert.Equal(t, Malformed, failure.Kind, "%v", failure)
			assert.Equal(t, 200, failure.Status)
			assert.NotContains(t, failure.Error(), "incidentId")
		})
	}
}

func TestErrorNamesAnEncodingThatWasNotRequested(t *testing.T) {
	for coding, named := range map[string]string{"br": "br", "gzip, Zstd": "Zstd", "aws-chunked,gzip": "aws-chunked", "br;q=1": "br;q=1"} {
		failure := failed(t, get(t, responding(200, "{}", "Content-Encoding", coding)))
		assert.EqualError(t, failure, `malformed response (HTTP status 200): a content encoding that was not requested: "`+named+`"`)
	}
}

func TestEncodingsInSeveralHeadersAreDecoded(t *testing.T) {
	result := get(t, handled(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Encoding"] = []string{"deflate", "gzip"}
		_, _ = io.WriteString(w, encoded("deflate, gzip", `{"incidentId":1}`))
	}))
	assert.NoError(t, result.Err)
}

// An empty block of deflate has five bytes and no content.
func TestOutputOfEachEncodingIsBounded(t *testing.T) {
	const limit = 64 << 10
	blocks := strings.Repeat("\x00\x00\x00\xff\xff", 1<<20) + encoded("raw deflate", `{"incidentId":1}`)
	body := &watched{Reader: strings.NewReader(encoded("gzip", blocks))}
	client := limited(t, bringing(200, "deflate, gzip", body), limit)
	var result Result
	taken := allocated(func() { result = client.Get(t.Context(), 1) })
	assert.Equal(t, Oversize, failed(t, result).Kind)
	assert.Less(t, taken, uint64(16*limit))
}

const mark = "\ufeff"

func TestByteOrderMarkIsSkipped(t *testing.T) {
	for _, coding := range codings {
		whole := string(fixture(t, "incident.json"))
		result := limited(t, responding(200, encoded(coding.form, mark+whole), "Content-Encoding", coding.header), maxBody).Get(t.Context(), 4711)
		require.NoError(t, result.Err, coding)
		assert.Equal(t, whole, string(result.Snapshot.Original), coding)
		assert.Equal(t, len(whole), result.Size, coding)
	}

	page := clientAt(t, endpoint, responding(200, mark+pageOf(`{"incidentId":1}`))).List(t.Context(), ListRequest{Top: 1})
	require.NoError(t, page.Err)
	assert.Len(t, page.Rows, 1)

	alerts := graphClient(t, endpoint, handled(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/alerts") {
			_, _ = io.WriteString(w, mark+`{"value":[{"id":"a"},{"id":"b"}]}`)
			return
		}
		_, _ = io.WriteString(w, mark+`{"id":"1","alerts":[{"id":"a"}],"alerts@odata.nextLink":"?$skip=1"}`)
	}))
	first := alerts.Get(t.Context(), 1)
	require.NoError(t, first.Err)
	second := alerts.Continue(t.Context(), first.Rest)
	require.NoError(t, second.Err)
	assert.Len(t, second.Snapshot.Alerts, 2)
}

func TestByteOrderMarkBeforeAnErrorIsSkipped(t *testing.T) {
	failure := failed(t, get(t, responding(404, mark+words("ResourceNotFound", "no"))))
	assert.Equal(t, NotFound, failure.Kind)
	assert.Equal(t, "ResourceNotFound", failure.Code)
	assert.Equal(t, NotFound, failed(t, get(t, responding(404, mark))).Kind, "a body of nothing else is empty")

	failure = failed(t, get(t, responding(429, mark+words("429", "You can send requests again in 8 seconds."))))
	assert.Equal(t, 8*time.Second, failure.RetryAfter)
	assert.Equal(t, WaitFromMessage, failure.WaitFrom)
}

func TestOnlyOneByteOrderMarkOfUTF8IsSkipped(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"UTF-16, big endian":    {"\xfe\xff\x00{\x00}", "UTF-16 instead of UTF-8"},
		"UTF-16, little endian": {"\xff\xfe{\x00}\x00", "UTF-16 instead of UTF-8"},
		"UTF-32, little endian": {"\xff\xfe\x00\x00{\x00\x00\x00", "UTF-16 instead of UTF-8"},
		"a mark alone":          {mark, "EOF"},
		"two marks":             {mark + mark + `{"incidentId":1}`, "invalid character"},
		"half a mark":           {"\xef\xbb", "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			failure := failed(t, get(t, responding(200, c.body)))
			assert.Equal(t, Malformed, failure.Kind)
			assert.ErrorContains(t, failure, c.want)
		})
	}
	assert.Equal(t, Malformed, failed(t, get(t, responding(404, "\xff\xfe{\x00}\x00"))).Kind)
}

func TestTruncatedBodyIsANetworkError(t *testing.T) {
	whole := encoded("gzip", `{"incidentId":1,"incidentName":"one of many"}`)
	truncated := func(change func(*defendersim.Config)) http.RoundTripper {
		sim := newSim(t, change)
		require.NoError(t, sim.SetFault(0, defendersim.Rule{Fault: defendersim.Fault{Name: "truncated"}}))
		return sim.RoundTripper()
	}
	for name, transport := range map[string]http.RoundTripper{
		"identity":          truncated(func(c *defendersim.Config) { c.NoCompression = true }),
		"zlib":              truncated(nil),
		"raw deflate":       truncated(func(c *defendersim.Config) { c.RawDeflate = true }),
		"gzip":              responding(200, whole[:len(whole)/2], "Content-Encoding", "gzip"),
		"gzip, in its head": responding(200, whole[:5], "Content-Encoding", "gzip"),
		"gzip, in its sum":  responding(200, whole[:len(whole)-3], "Content-Encoding", "gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			result := clientAt(t, endpoint, transport).Get(t.Context(), 1001)
			failure := failed(t, result)
			assert.Equal(t, Network, failure.Kind)
			assert.Equal(t, 200, failure.Status)
			assert.ErrorIs(t, failure, io.ErrUnexpectedEOF)
			assert.Equal(t, 1, result.Reached)
		})
	}
}

func TestEncodedResponseWithoutABodyIsEmpty(t *testing.T) {
	for _, coding := range []string{"", "gzip", "deflate"} {
		assert.Equal(t, Malformed, failed(t, get(t, responding(200, "", "Content-Encoding", coding))).Kind, coding)
		assert.Equal(t, NotFound, failed(t, get(t, responding(404, "", "Content-Encoding", coding))).Kind, coding)
	}
}

func FuzzBody(f *testing.F) {
	const text = `{"incidentId":1}`
	for _, coding := range codings {
		f.Add(coding.header, []byte(encoded(coding.form, text)))
		f.Add(coding.header, []byte(encoded(coding.form, mark+text))[:10])
	}
	f.Add("br", []byte(text))
	f.Add("gzip, gzip, gzip, gzip, gzip", []byte(text))
	f.Add("", []byte("\xff\xfe{\x00}\x00"))
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		const limit = 1 << 10
		read := func(body []byte, coding string) ([]byte, error) {
			return readBody(&http.Response{
				Header: http.Header{"Content-Encoding": {coding}}, Body: io.NopCloser(bytes.NewReader(body)),
			}, limit)
		}
		got, err := read(body, coding)
		if err != nil {
			assert.Nil(t, got)
			assert.True(t, printable(malformed(err).Error()), "%q", err)
			return
		}
		assert.LessOrEqual(t, len(got), limit)
		if !bytes.HasPrefix(got, []byte(mark)) && json.Valid(got) {
			again, err := read(append([]byte(mark), got...), "identity")
			assert.NoError(t, err)
			assert.Equal(t, string(got), string(again))
		}
	})
}
