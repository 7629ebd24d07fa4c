package verbs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/wire"
)

// told is apart with what each side says of immediate data.
func told(t *testing.T, mine, theirs Notice) *pairOf {
	t.Helper()
	p := apart(t, roce("::ffff:192.0.2.1"), roce("::ffff:192.0.2.2"), "mlx5_0")
	p.side[0].cfg.Notice, p.side[1].cfg.Notice = mine, theirs
	return p
}

func TestImmediateDataNeedBothEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		mine, theirs Notice
		want         bool
	}{
		"both":     {NoticeImm, NoticeImm, true},
		"sender":   {NoticeImm, NoticeSend, false},
		"receiver": {NoticeSend, NoticeImm, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, r, err := told(t, tt.mine, tt.theirs).try(t)
			if err != nil {
				t.Fatal(err)
			}
			if s.imm != tt.want || r.imm != tt.want {
				t.Errorf("the sender has them: %v, the receiver: %v", s.imm, r.imm)
			}
			slot, err := s.Acquire(t.Context())
			if err == nil {
				err = slot.SetLen(24, 3000)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Repeat([]byte("scp_rdma"), 378)
			copy(slot.Bytes(), want)
			if err := s.Send(t.Context(), slot); err != nil {
				t.Fatal(err)
			}
			got, err := r.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Head()) != 24 || len(got.Data()) != 3000 || !bytes.Equal(got.Bytes(), want) || got.Frame != 0 {
				t.Errorf("frame %d of %d and %d bytes", got.Frame, len(got.Head()), len(got.Data()))
			}
			if err := errors.Join(r.Release(got), s.Flush(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whatever a peer puts into immediate data, it ends its stream and nothing else.
func TestImmediateDataThatLieEndTheStream(t *testing.T) {
	const slot, frame = transport.HeadRoom + 8192, transport.HeadRoom
	for name, tt := range map[string]struct {
		theirs Notice
		change func(w *nic.SendWR)
		want   string
	}{
		"that were not agreed on":       {NoticeSend, func(*nic.SendWR) {}, "not agreed"},
		"of another slot":               {NoticeImm, func(w *nic.SendWR) { w.Imm = wire.VerbsImm(1, 24) }, "expected frame 0"},
		"of a slot that nobody has":     {NoticeImm, func(w *nic.SendWR) { w.Imm = wire.VerbsImm(0xffff, 24) }, "expected frame 0"},
		"a head longer than all":        {NoticeImm, func(w *nic.SendWR) { w.Imm = wire.VerbsImm(0, 3025) }, "immediate data"},
		"a head longer than heads are":  {NoticeImm, func(w *nic.SendWR) { w.Imm, w.Length = wire.VerbsImm(0, 0xffff), 3*slot }, ""},
		"data longer than a slot":       {NoticeImm, func(w *nic.SendWR) { w.Length = slot + 1 }, ""},
		"nothing, as if it were a CDC":  {NoticeImm, func(w *nic.SendWR) { w.Imm, w.Length = 0xffffffff, 0 }, "immediate data"},
		"a WRITE to what isn't a slot":  {NoticeImm, func(w *nic.SendWR) { w.RemoteAddr += 1 << 30 }, ""},
		"a second one of the same slot": {NoticeImm, func(w *nic.SendWR) { w.ID = 1 }, "expected frame 1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := told(t, NoticeImm, tt.theirs)
			s, r, err := p.try(t)
			if err != nil {
				t.Fatal(err)
			}
			w := nic.SendWR{Op: nic.OpWrite, MR: s.mr, Offset: frame - 24, Length: 3024, RemoteAddr: s.far.Addr + frame - 24, RKey: s.far.RKey,
				WithImm: true, Imm: wire.VerbsImm(0, 24)}
			tt.change(&w)
			chain := []nic.SendWR{w}
			if w.ID == 1 {
				chain = append(chain, w)
			}
			if _, err := s.qp.PostSend(chain); err != nil {
				t.Fatal(err)
			}
			<-r.Broken()
			<-s.Broken()
			if err := r.usable(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the receiver: %v", err)
			}
			if s, _, err := p.try(t); err != nil {
				t.Errorf("another stream of the session: %v", err)
			} else {
				passes(t, s)
			}
		})
	}
}
