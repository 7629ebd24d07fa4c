package arch

import (
	"fmt"
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	tableBegin = "<!-- messages -->\n"
	tableEnd   = "<!-- end of messages -->\n"
)

// The page about the protocol has every message with every field, as package wire has them.
// UPDATE_GOLDEN=1 writes them anew.
func TestTheProtocolsPageHasEveryMessage(t *testing.T) {
	const file = "../../docs/protocol.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatal("it has no place for them")
	}
	want := messageTables(load(t))
	if got == want {
		return
	}
	if os.Getenv("UPDATE_GOLDEN") == "" {
		t.Fatal("docs/protocol.md is not what package wire says: UPDATE_GOLDEN=1 go test ./internal/arch")
	}
	if err := os.WriteFile(file, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// messageTables are the structures of wire that have CBOR keys, messages first.
func messageTables(all []source) string {
	numbers := map[string]int{}
	var tables []string
	for _, s := range all {
		if s.dir != "wire" || s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if name, ok := strings.CutPrefix(n.Names[0].Name, "Type"); ok && len(n.Names) == 1 {
					numbers[name] = len(numbers) + 1
				}
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok {
						if st, ok := ts.Type.(*ast.StructType); ok {
							tables = append(tables, fieldTable(ts.Name.Name, st))
						}
					}
				}
			}
			return true
		})
	}
	number := func(table string) int {
		name, _, _ := strings.Cut(table, "\n")
		if n := numbers[name]; n > 0 {
			return n
		}
		return 1000
	}
	tables = slices.DeleteFunc(tables, func(s string) bool { return s == "" })
	slices.SortStableFunc(tables, func(a, b string) int { return number(a) - number(b) })
	var b strings.Builder
	for _, table := range tables {
		name, rows, _ := strings.Cut(table, "\n")
		if n := numbers[name]; n > 0 {
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		fmt.Fprintf(&b, "\n**%s**\n\n%s", name, rows)
	}
	return b.String() + "\n"
}

var cborKey = regexp.MustCompile(`cbor:"(\d+),`)

// fieldTable is a name, and a row for each field that has a CBOR key; "" without any.
func fieldTable(name string, st *ast.StructType) string {
	var rows strings.Builder
	for _, f := range st.Fields.List {
		if f.Tag == nil || len(f.Names) == 0 {
			continue
		}
		m := cborKey.FindStringSubmatch(f.Tag.Value)
		if m == nil {
			continue
		}
		fmt.Fprintf(&rows, "| %s | %s | `%s` | %s |\n", m[1], f.Names[0].Name, typeText(f.Type), strings.TrimSpace(f.Comment.Text()))
	}
	if rows.Len() == 0 {
		return ""
	}
	return name + "\n| key | field | type | |\n| --- | --- | --- | --- |\n" + rows.String()
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.ArrayType:
		return "[]" + typeText(e.Elt)
	}
	return "?"
}
