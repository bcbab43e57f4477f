package proxy

import "testing"

func TestOriginalKeepsSecretsOutAndStaysShort(t *testing.T) {
	for in, want := range map[string]string{
		"user:pass@host:443":                     "***@host:443",
		"http://user:p?a@ss@host/path?token=1#x": "http://***@host/path?***",
		"http://host/path?token=secret":          "http://host/path?***",
		"a\x00b\x1b[31m\xff\\":                   `a\x00b\x1b[31m\xff\x5c`,
		"https://h/?q=user@example.com":          "https://***@example.com",
	} {
		if got := original(in); got != want {
			t.Errorf("original(%q) = %q, want %q", in, got, want)
		}
	}
	if got := original(string(make([]byte, 4096))); len(got) > maxOriginal || len(got) < maxOriginal-3 {
		t.Errorf("%d bytes are kept", len(got))
	}
}
