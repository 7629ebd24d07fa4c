package control

import (
	"testing"
	"time"

	"scp_rdma/wire"
)

// A peer that reads nothing for longer than a cut way would be given is frozen, perhaps,
// but there: Linux counts the time that its window is closed as unacknowledged.
func TestAClosedWindowIsNoCutWay(t *testing.T) {
	c, nc := rogue(t)
	for i := range uint64(16) {
		if err := c.Send(large(i)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		info := tcpInfo(c.raw)
		if stuck := info.Unacked == 0 && info.Notsent_bytes > 0; stuck && info.Last_data_sent > uint32((wayDead+time.Second).Milliseconds()) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the window never closed: %+v", info)
		}
		<-time.After(50 * time.Millisecond)
	}
	for i := range uint64(16) {
		if e, ok := next(t, nc).(*wire.Entries); !ok || e.List[0].ID != i*100+1 {
			t.Fatalf("message %d: %+v", i, e)
		}
	}
	if err := c.Send(number(1)); err != nil {
		t.Error(err)
	}
}
