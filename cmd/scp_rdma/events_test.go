package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The page about --json names every field.
func TestEveryFieldOfAnEventIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{event{}, eventSummary{}, eventWould{}, eventRail{}, eventHealth{}, eventSpent{}} {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			if typ.Field(i).Anonymous {
				continue
			}
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s is not in docs/json.md", name)
			}
		}
	}
}
