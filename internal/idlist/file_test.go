// SPDX-License-Identifier: Apache-2.0

package idlist

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestParseIDsReadsOneIDPerLine(t *testing.T) {
	digits := strings.Repeat("0", maxLine)
	for name, tt := range map[string]struct {
		file string
		ids  []int64
		bad  []badLine
	}{
		"empty file":                        {file: ""},
		"in the file's order":               {file: "552\n437\n", ids: []int64{552, 437}},
		"last line without a line ending":   {file: "437\n552", ids: []int64{437, 552}},
		"comments and blank lines":          {file: "# phishing\n437 # invoice\n\n  \n552# x # y\n", ids: []int64{437, 552}},
		"surrounding spaces":                {file: " 437\t\n\t552  \n", ids: []int64{437, 552}},
		"byte order mark":                   {file: "\ufeff437\n552\n", ids: []int64{437, 552}},
		"leading zeros":                     {file: "0437\n000552\n08\n", ids: []int64{437, 552, 8}},
		"other notations":                   {file: "0o437\n4_37\n437.0\n4e2\n\"437\"\n", bad: []badLine{{1, `"0o437"`}, {2, `"4_37"`}, {3, `"437.0"`}, {4, `"4e2"`}, {5, `"\"437\""`}}},
		"CRLF":                              {file: "437\r\n552 # x\r\n\r\n", ids: []int64{437, 552}},
		"listed twice counts once":          {file: "437\n552\n437\n0437\n", ids: []int64{437, 552}},
		"largest ID":                        {file: "9223372036854775807\n", ids: []int64{9223372036854775807}},
		"long comment":                      {file: "437 # " + digits + digits + "\n552", ids: []int64{437, 552}},
		"long comment on a line of its own": {file: "#" + digits + "\n552", ids: []int64{552}},
		"long line":                         {file: "437\n1" + digits + digits + "\n552\n", ids: []int64{437, 552}, bad: []badLine{{2, `"100000000000000000000000"...`}}},
		"long line at the end":              {file: "437\n" + digits + "9", ids: []int64{437}, bad: []badLine{{2, `"000000000000000000000000"...`}}},
		"ID across the end of a line":       {file: digits[4:] + "12345", bad: []badLine{{1, `"000000000000000000000000"...`}}},
		"ID and comment before the end":     {file: "437 #" + digits[5:], ids: []int64{437}},
		"long line of spaces":               {file: strings.Repeat(" ", 2*maxLine) + "437", bad: []badLine{{1, `""`}}},
		"byte order mark on second line":    {file: "437\n\ufeff552\n", ids: []int64{437}, bad: []badLine{{2, `"\ufeff552"`}}},
		"not an ID": {
			file: "437,552\n-1\n0\n+7\n1.5\n0x1f\nabc\n4 37\n9223372036854775808\n552\n",
			ids:  []int64{552},
			bad: []badLine{
				{1, `"437,552"`},
				{2, `"-1"`},
				{3, `"0"`},
				{4, `"+7"`},
				{5, `"1.5"`},
				{6, `"0x1f"`},
				{7, `"abc"`},
				{8, `"4 37"`},
				{9, `"9223372036854775808"`},
			},
		},
		"control characters are quoted": {file: "\x1b[31m437\x00\n", bad: []badLine{{1, `"\x1b[31m437\x00"`}}},
		"excerpts are short":            {file: strings.Repeat("x", 25), bad: []badLine{{1, `"xxxxxxxxxxxxxxxxxxxxxxxx"...`}}},
	} {
		t.Run(name, func(t *testing.T) {
			ids, bad, err := parseIDs(strings.NewReader(tt.file))
			require.NoError(t, err)
			require.Equal(t, tt.ids, ids)
			require.Equal(t, tt.bad, bad)
		})
	}
}

func TestParseIDsReportsABoundedNumberOfBadLines(t *testing.T) {
	ids, bad, err := parseIDs(strings.NewReader(strings.Repeat("x\n", 1000) + "437\n"))
	require.NoError(t, err)
	require.Equal(t, []int64{437}, ids)
	require.Len(t, bad, maxBadLines)
	require.Equal(t, maxBadLines, bad[maxBadLines-1].number)
}

func TestParseIDsReturnsTheErrorOfTheReader(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, before := range []string{"", "437\n", "437\n" + strings.Repeat("0", 2*maxLine)} {
		ids, bad, err := parseIDs(io.MultiReader(strings.NewReader(before), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
		require.Nil(t, ids)
		require.Nil(t, bad)
	}
}

func TestFileErrorsNameTheSettingAndThePath(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.txt")
	huge := filepath.Join(dir, "huge.txt")
	wide, wideBig := filepath.Join(dir, "wide.txt"), filepath.Join(dir, "wide_big.txt")
	require.NoError(t, os.WriteFile(wide, []byte("\xff\xfe4\x003\x007\x00\r\x00\n\x00"), 0o600))
	require.NoError(t, os.WriteFile(wideBig, []byte("\xfe\xff\x004\x003\x007"), 0o600))
	noMark, noMarkBig := filepath.Join(dir, "no_mark.txt"), filepath.Join(dir, "no_mark_big.txt")
	require.NoError(t, os.WriteFile(noMark, []byte("4\x003\x007\x00"), 0o600))
	require.NoError(t, os.WriteFile(noMarkBig, []byte("\x004\x003\x007"), 0o600))
	require.NoError(t, os.WriteFile(huge, []byte("#"+strings.Repeat("x", maxFileSize)), 0o600))

	for path, want := range map[string]string{
		missing:     "no such file",
		dir:         "is a directory; name a file",
		"/dev/null": "is not a regular file; name one",
		huge:        "is larger than 16 MiB; name a file with IDs",
		wide:        "is UTF-16; save it as UTF-8",
		wideBig:     "is UTF-16; save it as UTF-8",
		noMark:      "is UTF-16; save it as UTF-8",
		noMarkBig:   "is UTF-16; save it as UTF-8",
	} {
		ids, bad, err := readFile(path)
		require.ErrorContains(t, err, "incident_ids_file: ")
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, want)
		require.Nil(t, ids)
		require.Nil(t, bad)

		if path == missing { // here; it may be there where the receiver runs
			err = nil
		}
		require.Equal(t, err, CheckFile(path))
	}
}

func TestCheckFileAcceptsWhatARunningReceiverDoes(t *testing.T) {
	for _, content := range []string{"437\n", "", "# later\n", "not an ID\n437\n"} {
		require.NoError(t, CheckFile(writeFile(t, content)), content)
	}
	require.NoError(t, CheckFile(""))
}

func TestFileOfTheMaximumSizeIsRead(t *testing.T) {
	path := writeFile(t, "437 #"+strings.Repeat("x", maxFileSize-5))
	ids, _, err := readFile(path)
	require.NoError(t, err)
	require.Equal(t, []int64{437}, ids)
}

func FuzzParseIDs(f *testing.F) {
	for _, file := range []string{
		"", "437\n552\n", "\ufeff437\r\n552 # x\r\n", "# only a comment", "437,552", "-1\n0\n+7\n1.5\n",
		"9223372036854775807\n9223372036854775808\n", "\x00\xff\n\r\r\n437", strings.Repeat("0", maxLine) + "1\n437",
		strings.Repeat("1", maxLine) + "#\n", "\xff\xfe4\x003\x007\x00", "\xfe\xff",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		ids, bad, err := parseIDs(strings.NewReader(string(file)))
		mark := bytes.HasPrefix(file, []byte("\xff\xfe")) || bytes.HasPrefix(file, []byte("\xfe\xff"))
		if mark || len(file) > 1 && bytes.Count(file[:2], []byte{0}) == 1 {
			require.ErrorIs(t, err, errUTF16)
			return
		}
		require.NoError(t, err)

		seen := make(map[int64]bool)
		for _, id := range ids {
			require.Positive(t, id)
			require.False(t, seen[id], "%d twice", id)
			seen[id] = true
		}
		lines := strings.Count(string(file), "\n") + 1
		require.LessOrEqual(t, len(bad), maxBadLines)
		require.True(t, slices.IsSortedFunc(bad, func(a, b badLine) int { return a.number - b.number }))
		for _, line := range bad {
			require.LessOrEqual(t, line.number, lines)
			require.LessOrEqual(t, len(line.excerpt), 4*maxExcerpt+len(`""...`))
		}
	})
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "incidents.txt")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
