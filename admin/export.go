package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// export serves one name to devices that pull it again and again: who shows the ETag of what there still is gets
// 304 (RFC 9110 section 13.1.2).
func (c Config) export(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := c.Export(name, hostname(r), r.URL.Query())
		if err != nil {
			answer(w, http.StatusBadRequest, err.Error())
			return
		}
		sum := sha256.Sum256(text)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
		w.Header().Set("Cache-Control", "private, no-cache") // kept, and asked about each time
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	})
}
