package vendorpage

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// seen writes the lines of a page as number:text.
func seen(t *testing.T, page string) string {
	t.Helper()
	lines, err := readLines([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range lines {
		all = append(all, fmt.Sprintf("%d:%s", l.number, l.text))
	}
	return strings.Join(all, "|")
}

func TestLinesOfText(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\n\n c \n":  "1:a|2:b|4:c",
		"Zweck\tURL\tPort": "1:Zweck|1:URL|1:Port",
		"https://a\u00ad.exam\u200bple.\u2060com\ufeff":  "1:https://a.example.com",
		"\u00a0https://a.example.com\u00a0\u2003(14.3) ": "1:https://a.example.com (14.3)",
		"a\x00\x1bb\rc": "1:ab|2:c",
		"x < y > z":     "1:x < y > z",
	} {
		if got := seen(t, in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestLinesOfHTML(t *testing.T) {
	for in, want := range map[string]string{
		"<p>a\n b</p>\n<p>\n\nc</p>": "1:a b|5:c",
		"<p>a<br>b<br/>c</p>":        "1:a|1:b|1:c",
		"<td>https://<b>a</b>.exam<wbr>ple.&shy;com&nbsp;&lpar;14.3&rpar;</td>":   "1:https://a.example.com (14.3)",
		"<td>https&#58;&#x2F;&sol;a.example.com<sup>1</sup></td>":                 "1:https://a.example.com 1",
		"<script>\n'https://no.example.com'</script><style>x</style>\n<p>yes</p>": "3:yes",
		"<title>no</title><!-- no --><p>yes</p>":                                  "1:yes",
		"<ul><li>a<li>b</ul>":                                                     "1:a|1:b",
		"<p>a &lt;b&gt; c</p>":                                                    "1:a <b> c",
	} {
		if got := seen(t, in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestEncodings(t *testing.T) {
	const page = "<html><head><meta charset=%s></head><body>%s<p>Direcci\u00f3n</p></body></html>"
	ascii := strings.Repeat("<br>", 1000) // more than a reader that guesses looks at
	latin, err := charmap.Windows1252.NewEncoder().String(fmt.Sprintf(page, "iso-8859-1", ascii))
	if err != nil {
		t.Fatal(err)
	}
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(fmt.Sprintf(page, "utf-16", ascii))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{"UTF-8": fmt.Sprintf(page, "utf-8", ascii), "Latin 1": latin, "UTF-16": wide,
		"UTF-8 that says nothing": ascii + "<p>Dirección</p>"} {
		if got := seen(t, in); got != "1:Dirección" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
