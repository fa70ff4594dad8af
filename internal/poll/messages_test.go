// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

// troubleshooting is the page that explains every message.
const troubleshooting = "../../docs/troubleshooting.md"

func TestTroubleshootingPageListsEveryMessageAndNoOther(t *testing.T) {
	var logged, failed []string
	for _, files := range []string{
		"../../*.go", "*.go", "../health/*.go", "../confcheck/*.go", "../idlist/*.go", "../checkpoint/*.go", "../defender/endpoint.go",
	} {
		s := parse(t, files)
		logged = append(logged, s.logged(t)...)
		failed = append(failed, s.errors(t)...)
	}
	require.Greater(t, len(logged), 60, "else messages are made in a way that this test does not know")
	require.Contains(t, logged, msgRateLimited, "given to the logger")
	require.Contains(t, logged, msgRefused, "given to the conditions")
	require.Contains(t, logged, msgUnavailable, "in a notice, from a function")
	require.Contains(t, logged, msgFetchDenied, "set in a notice later")

	shown := firstCells(t, "message")
	for _, message := range logged {
		require.Contains(t, shown, message, "not on the page %s", troubleshooting)
	}
	for _, message := range failed {
		if !saysWhatToWrite(message) {
			require.Contains(t, shown, message, "not on the page %s", troubleshooting)
		}
	}
	for _, message := range shown {
		require.Contains(t, slices.Concat(logged, failed), message, "on the page %s, but nothing logs it", troubleshooting)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(shown))), len(shown), "each once")
}

// saysWhatToWrite reports whether an error needs no row on the page, because it
// says itself what to do, after a semicolon: "ignore_changes[2]: empty; name a
// field, or remove it".
func saysWhatToWrite(message string) bool { return strings.Contains(message, "; ") }

func TestTroubleshootingPageListsEveryKindOfFailure(t *testing.T) {
	kinds := firstCells(t, "error")
	for kind := defender.NoToken; !strings.HasPrefix(kind.String(), "kind "); kind++ {
		require.True(t, slices.ContainsFunc(kinds, func(e string) bool { return strings.HasPrefix(e, kind.String()) }), kind)
	}
}

// firstCells returns the texts in code style in the first column of tables with a
// header that begins like this. No cell of these tables may be empty.
func firstCells(t *testing.T, header string) []string {
	t.Helper()
	page, err := os.ReadFile(troubleshooting)
	require.NoError(t, err)
	var cells []string
	inside := false
	for line := range strings.Lines(string(page)) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		first := strings.TrimSpace(row[0])
		switch {
		case !strings.HasPrefix(line, "|"):
			inside = false
		case first == header:
			inside = true
		case inside && !strings.HasPrefix(line, "|---"):
			for _, cell := range row {
				require.NotEmpty(t, strings.TrimSpace(cell), line)
			}
			for _, text := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
				cells = append(cells, text[1])
			}
		}
	}
	require.NotEmpty(t, cells, header)
	return cells
}

// source is the code of a package or a part of it, without tests.
type source struct {
	files     *token.FileSet
	functions []*ast.FuncDecl
	constants map[string]ast.Expr
}

// parse reads the files that match a pattern.
func parse(t *testing.T, pattern string) *source {
	t.Helper()
	s := &source{files: token.NewFileSet(), constants: map[string]ast.Expr{}}
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, pattern)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(s.files, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				s.functions = append(s.functions, d)
			case *ast.GenDecl:
				s.declare(d)
			}
		}
	}
	return s
}

func (s *source) declare(d *ast.GenDecl) {
	if d.Tok != token.CONST {
		return
	}
	for _, spec := range d.Specs {
		values := spec.(*ast.ValueSpec)
		for i, name := range values.Names {
			if i < len(values.Values) {
				s.constants[name.Name] = values.Values[i]
			}
		}
	}
}

// calls iterates over all calls of a method or of a package's function.
func (s *source) calls(look func(in *ast.FuncDecl, receiver, name string, args []ast.Expr)) {
	for _, function := range s.functions {
		ast.Inspect(function, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if selected, ok := call.Fun.(*ast.SelectorExpr); ok {
				look(function, lastName(selected.X), selected.Sel.Name, call.Args)
			}
			return true
		})
	}
}

// lastName returns c for a.b.c.
func lastName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

// logged returns the messages that are passed to a logger or to what decides what is
// logged, or set in a notice, each once.
func (s *source) logged(t *testing.T) []string {
	t.Helper()
	places := map[string]map[string]int{ // of the message among the arguments
		"logger":     {"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "Log": 1},
		"conditions": {"Failed": 3, "Succeeded": 2, "Settled": 3, "Event": 3},
	}
	messages := map[string]struct{}{}
	note := func(in *ast.FuncDecl, x ast.Expr) {
		texts, known := s.texts(in, x)
		require.True(t, known, "%s: cannot tell the message", s.files.Position(x.Pos()))
		for _, text := range texts {
			messages[text] = struct{}{}
		}
	}
	s.calls(func(in *ast.FuncDecl, receiver, name string, args []ast.Expr) {
		place, logs := places[strings.ToLower(receiver)][name]
		if logs && !isMessageOfNotice(args[place]) {
			note(in, args[place])
		}
	})
	s.notices(note)
	return slices.Sorted(maps.Keys(messages))
}

// isMessageOfNotice reports whether an expression is the message of a notice. Such a
// message is collected where the notice is made.
func isMessageOfNotice(x ast.Expr) bool {
	selected, ok := x.(*ast.SelectorExpr)
	return ok && selected.Sel.Name == "Message"
}

// notices iterates over the messages of notices, except for parameters: these are
// collected where the function is called.
func (s *source) notices(look func(in *ast.FuncDecl, message ast.Expr)) {
	for _, function := range s.functions {
		ast.Inspect(function, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				for _, element := range n.Elts {
					field, ok := element.(*ast.KeyValueExpr)
					if ok && lastName(n.Type) == "Notice" && lastName(field.Key) == "Message" && lastName(field.Value) != "message" {
						look(function, field.Value)
					}
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if isMessageOfNotice(left) {
						look(function, n.Rhs[min(i, len(n.Rhs)-1)])
					}
				}
			}
			return true
		})
	}
}

// errors returns the texts of the errors that are made, each once, with … for what
// is filled in. An error that only joins others has no text of its own.
func (s *source) errors(t *testing.T) []string {
	t.Helper()
	messages := map[string]struct{}{}
	s.calls(func(in *ast.FuncDecl, receiver, name string, args []ast.Expr) {
		if call := receiver + "." + name; call != "errors.New" && call != "fmt.Errorf" {
			return
		}
		texts, _ := s.texts(in, args[0])
		require.Len(t, texts, 1, "%s: cannot tell the message", s.files.Position(args[0].Pos()))
		if text := filledIn(texts[0]); strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz") {
			messages[text] = struct{}{}
		}
	})
	return slices.Sorted(maps.Keys(messages))
}

// filledIn replaces each verb of a format with ….
func filledIn(format string) string {
	return regexp.MustCompile(`%[+#]?[a-z]`).ReplaceAllStringFunc(format, func(verb string) string {
		if verb == "%q" {
			return `"…"`
		}
		return "…"
	})
}

// texts returns the values that an expression may have, except for the empty text:
// that of a constant, all that the function sets a variable to, or all that a
// function of the package returns. known is false if the code does not show them.
func (s *source) texts(in *ast.FuncDecl, x ast.Expr) (texts []string, known bool) {
	switch x := x.(type) {
	case *ast.Ident:
		if _, constant := s.constants[x.Name]; !constant {
			return s.all(setTo(in, x.Name))
		}
	case *ast.CallExpr:
		for _, function := range s.functions {
			if function.Recv == nil && function.Name.Name == lastName(x.Fun) {
				return s.all(returned(function))
			}
		}
	}
	return s.all([]ast.Expr{x})
}

// all returns the values of constant expressions. known is false if there are none,
// or if one is not constant.
func (s *source) all(expressions []ast.Expr) (texts []string, known bool) {
	for _, x := range expressions {
		text, ok := s.constant(x)
		if !ok {
			return nil, false
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	return texts, len(expressions) > 0
}

// setTo returns all that a function sets a variable to.
func setTo(in *ast.FuncDecl, name string) (values []ast.Expr) {
	ast.Inspect(in, func(n ast.Node) bool {
		set, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range set.Lhs {
			if variable, ok := left.(*ast.Ident); ok && variable.Name == name {
				values = append(values, set.Rhs[min(i, len(set.Rhs)-1)])
			}
		}
		return true
	})
	return values
}

// returned returns all that a function with a single result returns.
func returned(function *ast.FuncDecl) (values []ast.Expr) {
	ast.Inspect(function, func(n ast.Node) bool {
		if result, ok := n.(*ast.ReturnStmt); ok {
			values = append(values, result.Results...)
		}
		return true
	})
	return values
}

// constant returns the value of a literal, a named constant or a concatenation.
func (s *source) constant(x ast.Expr) (string, bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, x.Kind == token.STRING && err == nil
	case *ast.Ident:
		value, found := s.constants[x.Name]
		if !found {
			return "", false
		}
		return s.constant(value)
	case *ast.BinaryExpr:
		left, leftOK := s.constant(x.X)
		right, rightOK := s.constant(x.Y)
		return left + right, leftOK && rightOK && x.Op == token.ADD
	}
	return "", false
}
