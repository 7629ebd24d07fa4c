package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the module; root is where it lies, seen from here.
const (
	module = "scp_rdma"
	root   = "../.."
)

// source is one Go file of the module.
type source struct {
	path string // relative to the module's root, with slashes
	dir  string // "." is the root
	test bool   // _test.go
	text string
	ast  *ast.File
	fset *token.FileSet
}

// load parses all Go files of the module.
func load(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && p != root
		if d.IsDir() && (hidden || d.Name() == "testdata" || d.Name() == "vendor") {
			return fs.SkipDir
		}
		if d.IsDir() || hidden || !strings.HasSuffix(p, ".go") {
			return nil
		}
		all = append(all, parse(t, p))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d files found in %s", len(all), root)
	}
	return all
}

// parse reads one file with its comments.
func parse(t *testing.T, p string) source {
	t.Helper()
	text, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(root, p)
	if err != nil {
		t.Fatal(err)
	}
	return parseText(t, filepath.ToSlash(rel), string(text))
}

// parseText is parse for a file that need not exist.
func parseText(t *testing.T, rel, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), text, file, fset}
}

// imports lists the import paths of a file.
func (s source) imports() []string {
	var list []string
	for _, i := range s.ast.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			list = append(list, p)
		}
	}
	return list
}

// at is a position for people.
func (s source) at(p token.Pos) string { return s.fset.Position(p).String() }

// under says whether a slash path is dir or lies below it.
func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// main says whether the file belongs to a command, which may print and exit.
func (s source) main() bool { return s.ast.Name.Name == "main" }

// selectors lists pkg.Name for every selector in a file, with its position.
func (s source) selectors() map[token.Pos]string {
	found := map[token.Pos]string{}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				found[sel.Pos()] = x.Name + "." + sel.Sel.Name
			}
		}
		return true
	})
	return found
}
