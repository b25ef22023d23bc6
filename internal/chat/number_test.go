package chat

import (
	"strings"
	"testing"
)

// 572 is the published example of the Damm algorithm: its check digit is 4.
func TestCheckDigit(t *testing.T) {
	t.Parallel()
	if got := checkDigit("572"); got != '4' {
		t.Errorf("check digit %c", got)
	}
	valid := withCheckDigit("482915")
	if !isNumber(valid) || isNumber("") || isNumber(valid[:6]) {
		t.Fatalf("%s is not a number", valid)
	}
	for i := range len(valid) {
		for d := byte('0'); d <= '9'; d++ {
			if slip := valid[:i] + string(d) + valid[i+1:]; slip != valid && isNumber(slip) {
				t.Errorf("a wrong digit is not found: %s", slip)
			}
		}
		if i > 0 && valid[i] != valid[i-1] {
			swapped := valid[:i-1] + string(valid[i]) + string(valid[i-1]) + valid[i+1:]
			if isNumber(swapped) {
				t.Errorf("two swapped digits are not found: %s", swapped)
			}
		}
	}
}

func TestReadMessage(t *testing.T) {
	t.Parallel()
	number := withCheckDigit("482915")
	wide := strings.Map(func(c rune) rune { return c - '0' + '０' }, number)
	wrong := number[:6] + string('0'+(number[6]-'0'+1)%10)
	for name, c := range map[string]struct {
		text string
		want typed
	}{
		"as shown":                  {spaced(number), typedNumber},
		"without a blank":           {number, typedNumber},
		"a line break after it":     {number + "\n", typedNumber},
		"full-width digits":         {wide, typedNumber},
		"a full-width blank":        {wide[:9] + "　" + wide[9:], typedNumber},
		"a no-break space":          {number[:3] + "\u00a0" + number[3:], typedNumber},
		"dashes inside":             {number[:3] + "-" + number[3:5] + "—" + number[5:], typedNumber},
		"a Chinese full stop":       {number + "。", typedNumber},
		"words before":              {"验证码 " + number, typedNumber},
		"words without a blank":     {"登录" + number, typedNumber},
		"words around":              {"my code is " + number + ", thanks", typedNumber},
		"emoji around":              {"👍" + number + "👍", typedNumber},
		"a sticker":                 {number + "[Lol]/::)", typedNumber},
		"zero-width characters":     {number[:3] + "\u200b" + number[3:] + "\u202c", typedNumber},
		"keycap emoji":              {keycaps(number), typedNumber},
		"quotes":                    {"“" + number + "”", typedNumber},
		"a wrong digit":             {wrong, typedWrong},
		"a wrong digit and words":   {"登录 " + wrong, typedWrong},
		"a digit too few":           {number[:6], typedDigits},
		"a digit too many":          {number + "1", typedDigits},
		"the confirmation code":     {"4829", typedDigits},
		"two numbers":               {number + "," + number, typedOther},
		"a phone number":            {"13800138000", typedOther},
		"a number in a word of ten": {"order 123" + number, typedOther},
		"no digits":                 {"hello", typedOther},
		"nothing":                   {"", typedOther},
		"three blanks inside":       {number[:3] + "   " + number[3:], typedOther},
		"after 64 characters":       {strings.Repeat("字", 64) + number, typedOther},
		"Arabic-Indic digits":       {"٤٨٢٩١٥٣", typedOther},
		"0":                         {"0", typedDecline},
		"full-width 0":              {" ０ ", typedDecline},
		"取消":                        {"取消", typedDecline},
		"取消 with a full stop":       {"取消。", typedDecline},
		"Cancel":                    {"Cancel!", typedDecline},
		"a sentence with 取消":        {"怎么取消订单", typedOther},
		"0 in a sentence":           {"0 yuan", typedOther},
	} {
		got, kind := readMessage(c.text)
		if kind != c.want || kind == typedNumber && got != number {
			t.Errorf("%s: %q is %q, %d, want %d", name, c.text, got, kind, c.want)
		}
	}
}

func keycaps(number string) string {
	var out strings.Builder
	for _, c := range number {
		out.WriteString(string(c) + "\ufe0f\u20e3")
	}
	return out.String()
}

func TestReadCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0482": "0482", " 04 82 ": "0482", "０４８２": "0482", "482": "", "04821": "", "0482a": "", "": "", "0482 x": "",
		"04\n82": "",
	} {
		if got := readCode(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
