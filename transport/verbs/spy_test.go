package verbs_test

import (
	"context"
	"net/netip"
	"sync"

	"scp_rdma/transport/verbs/internal/nic"
)

// hooks see, and may change, what is on its way to devices. Those that are nil do
// nothing. On real devices each call is one of C (cgo).
type hooks struct {
	post   func(qp nic.QP, chain []nic.SendWR, memory func(nic.MR) []byte)
	repost func(requests int)
	poll   func(completions int)
	arm    func()
	path   func(p nic.Peer) nic.Peer // before a QP goes to RTR
	dies   func()                    // before one goes to ERR
}

// The decorators of one host.
type (
	spyHost struct {
		nic.Provider
		h hooks
	}
	spyDevice struct {
		nic.Device
		h hooks
	}
	spyPD struct {
		nic.PD
		h      hooks
		memory *sync.Map // nic.MR -> []byte
	}
	spyCQ struct {
		nic.CQ
		h hooks
	}
	spyQP struct {
		nic.QP
		h      hooks
		memory *sync.Map
	}
	spyConnector struct{ nic.Connector }
	spyListener  struct{ nic.Listener }
	spyConn      struct{ nic.Conn }
)

// Connector has rdma_cm connect the QPs behind the spies.
func (s spyHost) Connector() (nic.Connector, error) {
	c, err := s.Provider.Connector()
	return spyConnector{c}, err
}

func (s spyConnector) Listen(at netip.AddrPort) (nic.Listener, error) {
	l, err := s.Connector.Listen(at)
	return spyListener{l}, err
}

func (s spyConnector) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (nic.Conn, error) {
	c, err := s.Connector.Dial(ctx, from, to)
	return spyConn{c}, err
}

func (s spyListener) Accept(ctx context.Context) (nic.Conn, error) {
	c, err := s.Listener.Accept(ctx)
	return spyConn{c}, err
}

func (s spyConn) Connect(ctx context.Context, q nic.QP, private []byte, w nic.Peer, r nic.Retry) error {
	return s.Conn.Connect(ctx, q.(spyQP).QP, private, w, r)
}

func (s spyConn) Accept(q nic.QP, w nic.Peer, r nic.Retry) error {
	return s.Conn.Accept(q.(spyQP).QP, w, r)
}

func (s spyHost) Open(name string) (nic.Device, error) {
	d, err := s.Provider.Open(name)
	return spyDevice{d, s.h}, err
}

func (s spyDevice) AllocPD() (nic.PD, error) {
	pd, err := s.Device.AllocPD()
	return spyPD{pd, s.h, &sync.Map{}}, err
}

func (s spyDevice) CreateCQ(n int) (nic.CQ, error) {
	cq, err := s.Device.CreateCQ(n)
	return spyCQ{cq, s.h}, err
}

func (s spyPD) RegMR(mem []byte, access nic.Access) (nic.MR, error) {
	mr, err := s.PD.RegMR(mem, access)
	if err == nil {
		s.memory.Store(mr, mem)
	}
	return mr, err
}

func (s spyPD) CreateQP(cq nic.CQ, caps nic.Caps) (nic.QP, nic.Caps, error) {
	if c, ok := cq.(spyCQ); ok {
		cq = c.CQ
	}
	qp, caps, err := s.PD.CreateQP(cq, caps)
	return spyQP{qp, s.h, s.memory}, caps, err
}

func (s spyCQ) Poll(batch []nic.WC) (int, error) {
	n, err := s.CQ.Poll(batch)
	if s.h.poll != nil {
		s.h.poll(n)
	}
	return n, err
}

func (s spyCQ) Arm() error {
	if s.h.arm != nil {
		s.h.arm()
	}
	return s.CQ.Arm()
}

func (s spyQP) ToRTR(p nic.Peer) error {
	if s.h.path != nil {
		p = s.h.path(p)
	}
	return s.QP.ToRTR(p)
}

func (s spyQP) ToError() error {
	if s.h.dies != nil {
		s.h.dies()
	}
	return s.QP.ToError()
}

func (s spyQP) PostSend(chain []nic.SendWR) (int, error) {
	if s.h.post != nil {
		s.h.post(s.QP, chain, func(mr nic.MR) []byte {
			mem, _ := s.memory.Load(mr)
			return mem.([]byte)
		})
	}
	return s.QP.PostSend(chain)
}

func (s spyQP) PostRecv(chain []nic.RecvWR) (int, error) {
	if s.h.repost != nil {
		s.h.repost(len(chain))
	}
	return s.QP.PostRecv(chain)
}
