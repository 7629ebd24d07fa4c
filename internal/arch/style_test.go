package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// What still fits in a head, and on a screen or few.
const (
	maxFile     = 400
	maxFunc     = 60
	maxTestFunc = 100
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range load(t) {
		if n := strings.Count(s.text, "\n"); n > maxFile {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFile)
		}
		limit := maxFunc
		if s.test {
			limit = maxTestFunc
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > limit {
				t.Errorf("%s: %s has %d lines, more than %d", s.at(f.Pos()), f.Name.Name, n, limit)
			}
		}
	}
}

func TestEveryPackageTellsItsStoryInDocGo(t *testing.T) {
	told := map[string]bool{}
	for _, s := range load(t) {
		if strings.HasSuffix(s.path, "/doc.go") && s.ast.Doc.Text() != "" {
			told[s.dir] = true
		} else if !told[s.dir] {
			told[s.dir] = false
		}
	}
	for dir, ok := range told {
		if !ok {
			t.Errorf("%s has no doc.go with a package comment", dir)
		}
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	for _, s := range load(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function", s.at(f.Pos()))
			}
		}
	}
}

// Package-level variables are for what never changes and can't be a constant.
func TestNoPackageHasStateOfItsOwn(t *testing.T) {
	for _, s := range load(t) {
		if s.test {
			continue
		}
		for _, v := range mutable(s) {
			t.Errorf("%s: package-level variable %s", s.at(v.Pos()), v.Name)
		}
	}
}

// mutable lists the package-level variables that are not of a kind allowed:
// errors, assertions that a type has a method set, compiled expressions, times,
// values made once, embedded files, and what the linker sets in a command.
func mutable(s source) []*ast.Ident {
	allowed := regexp.MustCompile(`^(errors\.New|fmt\.Errorf|regexp\.MustCompile|sync\.OnceValues?|sync\.OnceFunc|time\.Unix)$`)
	var found []*ast.Ident
	for _, d := range s.ast.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			embedded := strings.Contains(g.Doc.Text()+v.Doc.Text(), "go:embed") || directive(g.Doc) || directive(v.Doc)
			for i, name := range v.Names {
				linked := s.main() && name.Name == "version"
				if name.Name == "_" || embedded || linked || i < len(v.Values) && allowed.MatchString(callee(v.Values[i])) {
					continue
				}
				found = append(found, name)
			}
		}
	}
	return found
}

// directive says whether a comment has a go:embed line, which Text leaves out.
func directive(c *ast.CommentGroup) bool {
	if c == nil {
		return false
	}
	for _, line := range c.List {
		if strings.HasPrefix(line.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// callee is pkg.Name of a call, "" for any other expression.
func callee(e ast.Expr) string {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

func TestTheStateRuleFindsState(t *testing.T) {
	s := parseText(t, "p/a.go", `package p
var ErrX = errors.New("x")
var _ I = (*T)(nil)
var expr = regexp.MustCompile("x")
var counter int
var table = map[string]int{}
var a, b = errors.New("a"), 3
`)
	var names []string
	for _, v := range mutable(s) {
		names = append(names, v.Name)
	}
	if got := strings.Join(names, " "); got != "counter table b" {
		t.Errorf("found %q", got)
	}
}

// Only commands talk to people and end the process; the rest returns values.
func TestOnlyCommandsPrintAndExit(t *testing.T) {
	talk := regexp.MustCompile(`^(os\.Exit|fmt\.(Print|Printf|Println)|log\.\w+|os\.(Stdout|Stderr))$`)
	for _, s := range load(t) {
		if s.test || s.main() {
			continue
		}
		for at, sel := range s.selectors() {
			if talk.MatchString(sel) {
				t.Errorf("%s: %s outside of a command", s.at(at), sel)
			}
		}
	}
}

// A test that skips says nothing, and one that sleeps says it slowly and not always.
func TestTestsNeitherSkipNorSleep(t *testing.T) {
	lazy := regexp.MustCompile(`^((t|tb|b|f)\.(Skip|Skipf|SkipNow)|time\.Sleep)$`)
	for _, s := range load(t) {
		for at, sel := range s.selectors() {
			if s.test && lazy.MatchString(sel) {
				t.Errorf("%s: %s in a test", s.at(at), sel)
			}
		}
	}
}

// What is in the tree is finished; what is not lies in an issue.
func TestNothingIsLeftForLater(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, s := range load(t) {
		for _, c := range s.ast.Comments {
			if later.MatchString(c.Text()) {
				t.Errorf("%s: %s", s.at(c.Pos()), strings.TrimSpace(c.Text()))
			}
		}
	}
}

// ants recovers a panic and only logs it unless it is told otherwise, and its
// Release does not wait: one file knows how to use it, nobody else does.
func TestOneFileUsesTheWorkerPool(t *testing.T) {
	var users []string
	for _, s := range load(t) {
		for _, imported := range s.imports() {
			if strings.HasPrefix(imported, "github.com/panjf2000/ants") {
				users = append(users, s.path)
			}
		}
	}
	if len(users) > 1 {
		t.Errorf("%d files import ants: %v", len(users), users)
	}
}
