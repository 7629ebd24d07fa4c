package devicetest

import (
	"testing"

	"scp_rdma/transport/verbs/internal/nic"
)

// Kind says how devices of one kind were seen to behave where they differ.
type Kind struct {
	MaxInline int // bytes; the largest that a QP is made with
	MaxSGE    int
	// ByHand: QPs are connected by INIT, RTR, RTS. Without it RTR is EINVAL, all
	// tests join by rdma_cm, and it is iWARP: the end of one QP is that of the other.
	ByHand bool
	// SilentWrites: a WRITE that the far end refuses succeeds here, and the data
	// are nowhere. Else it fails with a remote access error.
	SilentWrites bool
	// Alone: it can't be joined with another device of its host. Of siw that is so
	// only where the way begins at the address of its own card.
	Alone bool
	// Endless7: a retry count of 7 is for ever, as it is of RNR (rxe_comp.c).
	Endless7 bool
}

// RXE is how the kernel's rdma_rxe behaves (Linux 6.1, 6.12).
func RXE() Kind { return Kind{MaxInline: 512, MaxSGE: 32, ByHand: true, Alone: true, Endless7: true} }

// SIW is how the kernel's siw behaves (Linux 6.1).
func SIW() Kind { return Kind{MaxInline: 80, MaxSGE: 6, SilentWrites: true, Alone: true} }

// Config says what to ask.
type Config struct {
	Provider nic.Provider
	Device   string
	Kind     Kind
	// Other is another device of the host; "": there is none.
	Other string
	// SetPort plugs or unplugs the device's card; nil: nobody can.
	SetPort func(t *testing.T, up bool)
}

// line is one line of the table.
type line struct {
	name string
	test func(t *testing.T, c *Config)
}

// Run asks all questions.
func Run(t *testing.T, c Config) {
	lines := []line{
		{"the limits are those of its kind", limits},
		{"the port is active with an MTU and addresses", port},
		{"more inline than the device has is refused", inlineLimit},
		{"what others stand on is not closed", closeOrder},
		{"by hand it connects, or refuses", byHandOrNot},
		{"a WRITE and the SEND after it arrive in order", writeThenSend},
		{"relaxed memory has all when the SEND behind a WRITE comes", relaxed},
		{"immediate data come with their WRITE, or are refused", immediate},
		{"a WRITE with immediate data and a bad key is an error of both sides", immediateBadKey},
		{"immediate data wait for a receive, or are RNR", immediateRNR},
		{"a SEND of nothing arrives", emptySend},
		{"a WRITE of nothing needs no key and no receive", emptyWrite},
		{"an inline range is free at once", inlineIsFree},
		{"only signalled requests complete, and in order", selective},
		{"a WRITE with a bad key", badKey},
		{"a WRITE past the end", pastTheEnd},
		{"a WRITE to memory that is not for others", notRemote},
		{"a SEND without a receive is RNR", rnr},
		{"a SEND waits for a receive if it may", rnrWaits},
		{"a SEND longer than its receive", tooLong},
		{"a peer in ERR is noticed", peerInError},
		{"a peer that is gone is noticed", peerGone},
		{"seven retries have an end, or none", sevenRetries},
		{"in ERR everything posted is flushed", flushed},
		{"a full send queue takes what fits", fullSendQueue},
		{"a full receive queue takes what fits", fullRecvQueue},
		{"a range outside of its MR is not posted", outside},
		{"a CQ that overflows is an event", cqOverrun},
		{"waits end with their context and with Close", waits},
		{"rdma_cm joins QPs, and brings a word along", byCM},
		{"rdma_cm tells that the other side is gone", cmEnds},
		{"a request is refused", cmRefuses},
		{"a request to a port where nobody listens", cmNobody},
		{"a port has one listener, and then another", cmPorts},
		{"a wait for requests ends with its context and with Close", cmWaits},
	}
	if c.Other != "" {
		lines = append(lines, line{"two devices of one host", twoDevices})
	}
	if c.SetPort != nil {
		lines = append(lines, line{"a port that goes down and up is two events", portEvents})
	}
	for _, l := range lines {
		t.Run(l.name, func(t *testing.T) { l.test(t, &c) })
	}
}
