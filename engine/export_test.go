package engine

import (
	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// SignJournal is the MAC that a server with that state gives a journal, for tests that
// make journals of their own.
func SignJournal(s State, key, name string, h wire.JournalHead) [32]byte {
	return newVault(s, key).sign(&localfs.Put{Name: name}, &h)
}
