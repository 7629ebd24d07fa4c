package nic

import "fmt"

// Status is enum ibv_wc_status.
type Status int

// The statuses that are told apart (ibv_poll_cq(3); IB spec 11.6.2).
const (
	Success         Status = 0
	LocalLength     Status = 1
	LocalQPOp       Status = 2
	LocalProtection Status = 4
	Flushed         Status = 5
	RemoteInvalid   Status = 9
	RemoteAccess    Status = 10
	RemoteOp        Status = 11
	RetryExceeded   Status = 12
	RNRExceeded     Status = 13
	Fatal           Status = 19
	General         Status = 21
)

// String is the field's word for the status.
func (s Status) String() string {
	names := map[Status]string{
		Success: "success", LocalLength: "local length error", LocalQPOp: "local QP operation error",
		LocalProtection: "local protection error", Flushed: "work request flushed",
		RemoteInvalid: "remote invalid request", RemoteAccess: "remote access error", RemoteOp: "remote operation error",
		RetryExceeded: "transport retry counter exceeded", RNRExceeded: "RNR retry counter exceeded",
		Fatal: "fatal error", General: "general error",
	}
	if n, ok := names[s]; ok {
		return n
	}
	return fmt.Sprintf("status %d", int(s))
}

// Event is an asynchronous event: enum ibv_event_type (ibv_get_async_event(3)).
type Event struct {
	Type EventType
	QPN  uint32 // of events of a QP
	Port int    // of events of a port
}

// EventType is enum ibv_event_type.
type EventType int

// The events that are told apart.
const (
	EventCQError     EventType = 0
	EventQPFatal     EventType = 1
	EventQPRequest   EventType = 2
	EventQPAccess    EventType = 3
	EventDeviceFatal EventType = 8
	EventPortActive  EventType = 9
	EventPortError   EventType = 10
	EventLIDChange   EventType = 11
	EventPKeyChange  EventType = 12
	EventGIDChange   EventType = 18
)

// String is the field's word for the event.
func (e EventType) String() string {
	names := map[EventType]string{
		EventCQError: "CQ error", EventQPFatal: "QP fatal error", EventQPRequest: "QP request error", EventQPAccess: "QP access error",
		EventDeviceFatal: "device fatal error", EventPortActive: "port active", EventPortError: "port down",
		EventLIDChange: "LID changed", EventPKeyChange: "P_Key changed", EventGIDChange: "GID changed",
	}
	if n, ok := names[e]; ok {
		return n
	}
	return fmt.Sprintf("event %d", int(e))
}
