// Package policy answers one question: what may pass?
//
// Catalog, local rules, clients and mode are compiled into an immutable Policy; its verdict is a
// pure function of the request. Store keeps the one in force and replaces it, whole or not at all,
// when its files change.
package policy
