package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"scp_rdma/transport"
)

// roster is the sessions of a server that have a target.
type roster struct {
	mu   sync.Mutex
	list map[*receiver]chan struct{} // closed when it has ended
}

func newRoster() *roster { return &roster{list: map[*receiver]chan struct{}{}} }

// enter adds a session; leave must be called when it has ended.
func (ro *roster) enter(r *receiver) (leave func()) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	ended := make(chan struct{})
	ro.list[r] = ended
	return func() {
		ro.mu.Lock()
		defer ro.mu.Unlock()
		delete(ro.list, r)
		close(ended)
	}
}

// silentAfter: a session from which nothing came for so long may be one whose client
// is gone without a word: clients say something each second.
const silentAfter = 3 * time.Second

// silent says whether another session of the same key is silent.
func (ro *roster) silent(r *receiver) bool {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	for o := range ro.list {
		if o != r && o.conn.Holder().Name == r.conn.Holder().Name && time.Since(o.conn.Heard()) > silentAfter {
			return true
		}
	}
	return false
}

// errReplaced: the client of a session has come again over another connection.
var errReplaced = errors.New("its client came again over another connection")

// supersede ends the session that a client has lost the connection of, and waits until
// all it had open is free. Only that client knows the session's number.
func (ro *roster) supersede(ctx context.Context, id transport.ID, r *receiver) error {
	ro.mu.Lock()
	var ended chan struct{}
	for o, ch := range ro.list {
		if o != r && o.id == id && o.conn.Holder().Name == r.conn.Holder().Name {
			ended = ch
			o.replaced(errReplaced)
		}
	}
	ro.mu.Unlock()
	if ended == nil {
		return nil
	}
	_, err := wait(ctx, ended)
	return err
}
