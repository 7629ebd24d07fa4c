package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"scp_rdma/control"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

func TestEveryEndHasItsKind(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Kind
	}{
		{nil, KindDone},
		{fmt.Errorf("%w: %w", errCancelled, context.Canceled), KindCancelled},
		{&RemoteError{Code: wire.ByeCancelled}, KindCancelled},
		{&RemoteError{Code: wire.ByeError, Text: "read: I/O error"}, KindPeerFailed},
		{fmt.Errorf("put: %w", syscall.ENOSPC), KindDisk},
		{errors.Join(ErrPeerLost, syscall.EIO), KindDisk},
		{fmt.Errorf("frame: %w", ErrVerify), KindVerify},
		{fmt.Errorf("frame: %w", wire.ErrMalformed), KindProtocol},
		{&transport.StreamError{Err: transport.ErrProtocol}, KindProtocol},
		{fmt.Errorf("%w: %w", errCancelled, control.ErrAuth), KindAuth},
		{denied("ann", "delete"), KindAuth},
		{fmt.Errorf("path: %w", localfs.ErrUsage), KindUsage},
		{fmt.Errorf("hello: %w", control.ErrVersion), KindVersion},
		{lost(errors.Join(ErrPeerLost)), KindPeerLost},
		{control.ErrSilent, KindPeerLost},
		{fmt.Errorf("no rail: %w", transport.ErrUnavailable), KindNoTransport},
		{errors.New("who knows"), KindOther},
	} {
		if got := kindOf(tt.err); got != tt.want {
			t.Errorf("%v is %q, want %q", tt.err, got, tt.want)
		}
		if !slices.Contains(Kinds(), tt.want) {
			t.Errorf("%q is not listed", tt.want)
		}
	}
}
