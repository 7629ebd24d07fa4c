// Package keys is what a peer is known by: a key of 256 random bits, which both
// ends hold.
//
//	[1] Create makes a key file, once; Load takes one only if nobody else could have read or changed it
//	[2] a Ring holds the keys a server takes, each with a name and rights; LoadRing reads a list of them
//	[3] the client names its key by its ID; Ring.Lookup finds it: a proof is never tried against a list
//	[4] MAC proves the key over what binds a proof to one connection; Derive gives secrets of that connection
//
// A key never appears in a text but the one that goes into a file: whatever way
// it is printed or logged, only its ID is seen.
package keys
