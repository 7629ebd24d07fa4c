package transport

import (
	"errors"
	"testing"
)

func TestSlotLengthsStayInTheSlot(t *testing.T) {
	const size = 4096
	s := MakeSlots(make([]byte, 2*(HeadRoom+size)), 2, size)[1]
	for _, l := range [][2]int{{-1, 0}, {0, -1}, {HeadRoom + 1, 0}, {0, size + 1}, {1 << 40, 0}, {0, 1<<32 - 1}} {
		if err := s.SetLen(l[0], l[1]); !errors.Is(err, ErrProtocol) {
			t.Errorf("%v: %v", l, err)
		}
	}
	if err := s.SetLen(3, 5); err != nil {
		t.Fatal(err)
	}
	copy(s.Bytes(), "headdata")
	if string(s.Head()) != "hea" || string(s.Data()) != "ddata" || string(s.Space()[:5]) != "ddata" || s.Cap() != size {
		t.Errorf("head %q, data %q", s.Head(), s.Data())
	}
	if s.Reset(7); len(s.Bytes()) != 0 || s.Frame != 7 {
		t.Errorf("after reset: %d bytes, frame %d", len(s.Bytes()), s.Frame)
	}
}
