// Package live answers one question: what did clients ask for today, as far as now?
//
// A Day is fed with the records that the proxy writes. It begins with what today's trail holds already, so
// that a restart loses nothing, and counts each record once, by its sequence number. Whoever writes
// records never waits for it.
package live
