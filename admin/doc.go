// Package admin answers one question: how is it doing?
//
// It serves metrics, health, the PAC file and the live page on a listener of its own, apart from the
// proxy's. It is handed functions and counts; it imports none of the other rooms, and nothing it serves
// changes anything. Who may read what is decided in guard.go.
package admin
