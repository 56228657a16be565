package civil

import (
	"strings"
	"sync"
	"time"

	"github.com/rickar/cal/v2/jp"
)

// HolidayKind separates the three sorts of 休日 in Art 3 of the Act on National
// Holidays, because offices name them separately (muni:Sammu).
type HolidayKind int

const (
	NationalHoliday HolidayKind = iota + 1 // 国民の祝日, Art 3(1)
	SubstituteDay                          // 振替休日, Art 3(2)
	CitizensDay                            // 国民の休日: a day between two national holidays, Art 3(3)
)

// Holiday is a day on which public offices rest by the Act on National Holidays.
type Holiday struct {
	Day    Date
	Kind   HolidayKind
	NameJA string
	NameEN string
}

// The years for which holidays are known; outside them HolidayOn finds none.
// They begin with the first happy Mondays, four years before the juki regime;
// the library computes the equinoxes to the end of the century.
const (
	FirstHolidayYear = 2000
	LastHolidayYear  = 2099
)

// holidays is computed once: the library's vernal equinox writes to a shared
// value while it computes, so it must not run twice at the same time.
var holidays = sync.OnceValue(computeHolidays)

// HolidayOn returns the holiday that falls on d and true, or false.
func HolidayOn(d Date) (Holiday, bool) {
	h, ok := holidays()[d]
	return h, ok
}

// computeHolidays takes the national holidays from the library and adds the
// days that follow from them.
func computeHolidays() map[Date]Holiday {
	days := make(map[Date]Holiday, 20*(LastHolidayYear-FirstHolidayYear+1))
	for year := FirstHolidayYear; year <= LastHolidayYear; year++ {
		for _, h := range nationalHolidays(year) {
			days[h.Day] = h
		}
	}
	national := make([]Date, 0, len(days))
	for d := range days {
		national = append(national, d)
	}
	addSubstitutes(days, national)
	addCitizensDays(days, national)
	return days
}

// nationalHolidays are the 国民の祝日 of a year.
func nationalHolidays(year int) []Holiday {
	var list []Holiday
	for _, h := range jp.Holidays {
		if citizensByLibrary(h.Name, year) {
			continue
		}
		actual, _ := h.Calc(year)
		if actual.IsZero() {
			continue
		}
		day := beforeHappyMonday(h.Name, at(actual))
		list = append(list, Holiday{day, NationalHoliday, japaneseName(h.Name, day), h.Name})
	}
	return list
}

// beforeHappyMonday puts back the two holidays that the library has on a Monday
// in every year and the law only from 2003 (2001 amendment of the Act).
func beforeHappyMonday(name string, day Date) Date {
	switch {
	case day.Year >= 2003:
	case name == "Marine Day":
		return Date{day.Year, time.July, 20}
	case name == "Respect for the Aged Day":
		return Date{day.Year, time.September, 15}
	}
	return day
}

// citizensByLibrary recognises the days that the library lists as separate holidays and that addCitizensDays derives:
// those between two holidays, and 4 May before it became みどりの日 in 2007.
func citizensByLibrary(name string, year int) bool {
	return strings.HasPrefix(strings.ToLower(name), "national holiday between") ||
		name == "Greenery Day" && year < 2007
}

// addSubstitutes gives a holiday that falls on a Sunday its substitute, the next
// day that is no national holiday (Holidays Act Art 3(2)). Until 2006 it was
// always the Monday; from 2000 that made no difference.
func addSubstitutes(days map[Date]Holiday, national []Date) {
	for _, d := range national {
		if d.Weekday() != time.Sunday {
			continue
		}
		sub := d.AddDays(1)
		for days[sub].Kind == NationalHoliday {
			sub = sub.AddDays(1)
		}
		if _, taken := days[sub]; !taken {
			days[sub] = Holiday{sub, SubstituteDay, "振替休日", "Substitute holiday"}
		}
	}
}

// addCitizensDays makes a day between two national holidays a holiday if it is not one itself (Holidays Act Art 3(3)).
// Until 2006 Sundays and substitute days were left out; from 2000 that makes a difference for one Sunday of 2003.
func addCitizensDays(days map[Date]Holiday, national []Date) {
	for _, d := range national {
		between := d.AddDays(1)
		if _, taken := days[between]; taken || days[d.AddDays(2)].Kind != NationalHoliday ||
			between.Year < 2007 && between.Weekday() == time.Sunday {
			continue
		}
		days[between] = Holiday{between, CitizensDay, "国民の休日", "Citizens' holiday"}
	}
}

// japaneseName translates the library's name, following renamings of the law.
func japaneseName(name string, day Date) string {
	switch {
	case name == "Showa Day" && day.Year < 2007:
		return "みどりの日"
	case name == "Sports Day" && day.Year < 2020:
		return "体育の日"
	}
	return japaneseNames[name]
}

var japaneseNames = map[string]string{
	"New Year's Day":                        "元日",
	"Coming of Age Day":                     "成人の日",
	"National Foundation Day":               "建国記念の日",
	"The Emperor's Birthday":                "天皇誕生日",
	"Vernal Equinox Day":                    "春分の日",
	"Showa Day":                             "昭和の日",
	"Constitution Memorial Day":             "憲法記念日",
	"Greenery Day":                          "みどりの日",
	"Children's Day":                        "こどもの日",
	"Marine Day":                            "海の日",
	"Mountain Day":                          "山の日",
	"Respect for the Aged Day":              "敬老の日",
	"Autumnal Equinox Day":                  "秋分の日",
	"Sports Day":                            "スポーツの日",
	"Culture Day":                           "文化の日",
	"Labor Thanksgiving Day":                "勤労感謝の日",
	"New Emperor Enthronement Day":          "天皇の即位の日",
	"The New Emperor Enthronement Ceremony": "即位礼正殿の儀の行われる日",
}
