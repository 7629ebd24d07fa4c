// Package wire is every byte layout of scp_rdma: the preamble of a connection,
// the messages of the control connection, the head of a frame, the CDC beside
// it, and what transports put into offers. Append and parse come in pairs;
// neither does I/O nor keeps state.
//
// Every parser takes bytes from a peer that may be hostile: lengths are compared
// with what is left before they are used, and nothing is allocated for a length
// that was only announced. What a parser returns has been checked against the
// bounds written beside each field; whether it makes sense in the session is
// for the engine to judge.
//
// Fixed layouts are little endian. Control messages are CBOR (RFC 8949) in a
// frame of u32 body length, u8 type, body.
package wire
