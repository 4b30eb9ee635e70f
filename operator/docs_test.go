package operator

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func names[T any](fields []field[T]) (list []string) {
	for i := range fields {
		list = append(list, fields[i].name)
	}
	return list
}

// The documentation has each field of each list.
func TestFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| list | fields |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string][]string{}
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		plain := regexp.MustCompile(`\([^)]*\)|;.*`).ReplaceAllString(cells[2], "") // without what is said about them
		for _, name := range strings.Split(plain, ",") {
			list := strings.Trim(cells[1], " `")
			documented[list] = append(documented[list], strings.Trim(name, " `"))
		}
	}
	for list, want := range map[string][]string{
		"sessions": names(sessionFields(time.Now())), "topics": names(topicFields), "upstream": names(clientFields),
		"brokers": names(brokerFields), "refusals": names(refusalFields),
	} {
		for _, taken := range []string{"sort", "limit", "offset"} {
			if slices.Contains(want, taken) {
				t.Errorf("%s: the field %s cannot be filtered by, as the parameter means something else", list, taken)
			}
		}
		if got := documented[list]; !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", list, got, want)
		}
	}
}
