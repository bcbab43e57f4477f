package figure

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // 100 to 1
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := Percentile(hundred, q); got != want {
			t.Errorf("percentile %v is %v, want %v", q, got, want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the samples were sorted in place")
	}
	if got := Percentile([]float64{7}, 0.5); got != 7 {
		t.Errorf("percentile of one sample is %v", got)
	}
	if !math.IsNaN(Percentile(nil, 0.5)) {
		t.Error("no samples have a percentile")
	}
}

func TestSpread(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		samples []float64
		text    string
	}{
		{nil, "–"},
		{[]float64{nan, nan}, "–"},
		{[]float64{3}, "3.00"},
		{[]float64{nan, 3}, "3.00"},
		{[]float64{9, 1, 3}, "3.00 (1.00–9.00)"},
		{[]float64{4, 1, 3, 2}, "2.50 (1.00–4.00)"},
		{[]float64{0, 0}, "0 (0–0)"},
	} {
		if got := SpreadOf(c.samples).String(); got != c.text {
			t.Errorf("%v is written %q, want %q", c.samples, got, c.text)
		}
	}
}

func TestRatiosArePairs(t *testing.T) {
	got := Ratios([]float64{2, 9, math.NaN()}, []float64{1, 3, 5})
	if len(got) != 3 || got[0] != 2 || got[1] != 3 || !math.IsNaN(got[2]) {
		t.Errorf("ratios are %v", got)
	}
	if got := Ratios([]float64{1}, nil); len(got) != 0 {
		t.Errorf("ratios to nothing are %v", got)
	}
}

func TestNumberHasThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.1: "0.100", 0.01234: "0.0123", 0.000061: "0.0001", 1.5: "1.50", 12.34: "12.3", 123.4: "123", 28123: "28123",
		-0.5: "-0.500", math.Inf(1): "–", math.NaN(): "–",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	got := Markdown([]string{"figure", "µs"}, [][]string{{"a", "1 (0–2)"}, {"longer than it", "–"}})
	want := `| figure         | µs      |
| -------------- | ------- |
| a              | 1 (0–2) |
| longer than it | –       |
`
	if got != want {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
}

func TestReplacePart(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("by hand\n"+partBegin+"old\n"+partEnd+"by hand, too\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"new\n", "", "newer\n"} { // it can be done again
		if err := ReplacePart(page, text); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(page)
		if want := "by hand\n" + partBegin + text + partEnd + "by hand, too\n"; err != nil || string(got) != want {
			t.Errorf("the page is %q, want %q (%v)", got, want, err)
		}
	}
	for _, broken := range []string{"", partBegin, partEnd, partEnd + partBegin} {
		if err := os.WriteFile(page, []byte(broken), 0o644); err != nil {
			t.Fatal(err)
		}
		err := ReplacePart(page, "text")
		if err == nil || !strings.Contains(err.Error(), "has no place for figures") {
			t.Errorf("a page %q: %v", broken, err)
		}
		if got, _ := os.ReadFile(page); string(got) != broken {
			t.Errorf("it was changed all the same, to %q", got)
		}
	}
	if err := ReplacePart(filepath.Join(t.TempDir(), "none.md"), ""); !os.IsNotExist(err) {
		t.Errorf("a page that is not there: %v", err)
	}
}
