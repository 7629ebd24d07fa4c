package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// parseAll reads messages one after the other.
func parseAll(t *testing.T, b []byte) []Message {
	t.Helper()
	var list []Message
	for len(b) > 0 {
		typ, n, err := ParseHeader(b[:HeaderSize])
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseMessage(typ, b[HeaderSize:HeaderSize+n])
		if err != nil {
			t.Fatal(err)
		}
		list, b = append(list, m), b[HeaderSize+n:]
	}
	return list
}

// join puts batches together again.
func join(list []Message) (e Entries, a Answers, r Results, ab Abort) {
	for _, m := range list {
		switch m := m.(type) {
		case *Entries:
			e.List = append(e.List, m.List...)
		case *Answers:
			a.List = append(a.List, m.List...)
		case *Results:
			r.Units, r.Corrupt, r.List = append(r.Units, m.Units...), append(r.Corrupt, m.Corrupt...), append(r.List, m.List...)
		case *Abort:
			ab.IDs = append(ab.IDs, m.IDs...)
		}
	}
	return e, a, r, ab
}

// A tree may hold hundreds of symlinks with a text of 4 KiB, or files with 64
// KiB of xattrs, one after the other; a receiver may fail at a thousand long paths.
func TestBatchTooLongForAMessageGoesOutAsSeveral(t *testing.T) {
	var want struct {
		e  Entries
		a  Answers
		r  Results
		ab Abort
	}
	text := string(bytes.Repeat([]byte("x"), maxText))
	for i := range uint64(maxList + 500) {
		id := i + 1
		e := Entry{ID: id, Kind: KindSymlink, Name: bytes.Repeat([]byte("n"), maxName), Link: bytes.Repeat([]byte("l"), maxPath-1)}
		if i%100 < 2 {
			e.Xattrs = []Xattr{{Name: "user.\xff", Value: make([]byte, maxXattrs-6)}}
		}
		want.e.List = append(want.e.List, e)
		want.a.List = append(want.a.List, Answer{ID: id, Action: ActionFailed, Text: text})
		want.r.Units = append(want.r.Units, id)
		want.r.Corrupt = append(want.r.Corrupt, id)
		want.r.List = append(want.r.List, Result{ID: id, Status: StatusFailed, Text: text})
		want.ab.IDs = append(want.ab.IDs, id)
	}
	var b []byte
	for _, m := range []Message{&want.e, &want.a, &want.r, &want.ab} {
		var err error
		if b, err = AppendMessage(b, m); err != nil {
			t.Fatal(err)
		}
	}
	e, a, r, ab := join(parseAll(t, b))
	// Not cmp.Diff: it takes seconds for megabytes of bytes.
	if !reflect.DeepEqual(want.e, e) || !reflect.DeepEqual(want.a, a) || !reflect.DeepEqual(want.r, r) || !reflect.DeepEqual(want.ab, ab) {
		t.Errorf("%d entries, %d answers, %d + %d + %d results, %d ids came of %d each, or they differ",
			len(e.List), len(a.List), len(r.Units), len(r.Corrupt), len(r.List), len(ab.IDs), maxList+500)
	}
}

// Units are acknowledged no later than the entries that ended with them.
func TestUnitsComeBeforeEndsWhenResultsAreCut(t *testing.T) {
	m := &Results{Units: make([]uint64, maxList+1), List: []Result{{ID: 1, Status: StatusOK}, {ID: 2, Status: StatusOK}}}
	b, err := AppendMessage(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	list := parseAll(t, b)
	for _, m := range list[:len(list)-1] {
		if r, ok := m.(*Results); !ok || len(r.List) > 0 || len(r.Units) == 0 {
			t.Errorf("%+v", m)
		}
	}
}

func TestAppendMessageLeavesNothingBehindOnError(t *testing.T) {
	long := &Entries{List: make([]Entry, maxList+1)}
	for i := range long.List {
		long.List[i] = Entry{ID: uint64(i + 1), Kind: KindFile, Name: []byte("f")}
	}
	long.List[maxList].Name = []byte("..") // in the last part
	rails := &Hello{}
	for range 3 {
		set := RailSet{}
		for range maxRails {
			set.Rails = append(set.Rails, Rail{Info: make([]byte, maxRailInfo)})
		}
		rails.Rails = append(rails.Rails, set)
	}
	for _, m := range []Message{long, rails} {
		b, err := AppendMessage([]byte("before"), m)
		if !errors.Is(err, ErrMalformed) || string(b) != "before" {
			t.Errorf("%T: %d bytes, %v", m, len(b), err)
		}
	}
}
