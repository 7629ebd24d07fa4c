// Package hostile is a client that holds a good key and means ill: it says what breaks the
// protocol, or what keeps to it and is meant to do harm, over any transport. Tests run it
// against whole servers, and look at what must not have changed.
package hostile
