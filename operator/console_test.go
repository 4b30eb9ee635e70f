package operator

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// fieldsOf are the names in JSON of what v holds.
func fieldsOf(v any) map[string]bool {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names[name] = true
		}
	}
	return names
}

// The console's lists show what there is: a name that no answer has would be an empty column.
func TestConsoleNamesWhatThereIs(t *testing.T) {
	script, err := os.ReadFile("console/lists.js")
	if err != nil {
		t.Fatal(err)
	}
	for variable, known := range map[string]map[string]bool{"s": fieldsOf(Session{}), "b": fieldsOf(Broker{}), "r": fieldsOf(Refusal{}), "c": fieldsOf(Client{}), "x": fieldsOf(Topic{})} {
		uses := regexp.MustCompile(`[^\w.]`+variable+`\.(\w+)`).FindAllSubmatch(script, -1)
		if len(uses) < 3 {
			t.Errorf("%s: only %d fields are shown", variable, len(uses))
		}
		for _, u := range uses {
			if name := string(u[1]); !known[name] {
				t.Errorf("%s.%s is shown, which no answer has", variable, name)
			}
		}
	}
	if b, err := json.Marshal(Broker{UnsentBytes: 7}); err != nil || !strings.Contains(string(b), `"unsentBytes":7`) {
		t.Errorf("a broker's unsent bytes have another name than a session's: %s %v", b, err)
	}
}
