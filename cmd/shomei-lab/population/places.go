// Package population invents people and what happens to them: births, moves, names, deaths, periods of stay, lost
// cards, and when they come to a counter. Everything follows from a seed, the number of a person and what the log says
// about them, so an interrupted simulation continues to the same history. The people, their names, addresses and codes
// are invented; the municipalities and the shape of the crowds are real (law.md 11.4; figures.md 2).
package population

import "shomei/events"

// Place is a municipality with its main office.
type Place struct {
	// Code has five digits (law.md 11.4), Office is the id of the office.
	Code, Office string
	// Prefecture and City are as in addresses, the romaji as in certificates.
	Prefecture, City, PrefectureRomaji, CityRomaji string
	// Weight is its share of people, in thousands of inhabitants.
	Weight int
}

// Places are where people live. Small ones weigh a little more than in reality, so that they have history too.
var Places = []Place{
	{"01100", "01100-main", "北海道", "札幌市", "Hokkaido", "Sapporo-shi", 400},
	{"04100", "04100-main", "宮城県", "仙台市", "Miyagi-ken", "Sendai-shi", 250},
	{"12213", "12213-main", "千葉県", "東金市", "Chiba-ken", "Togane-shi", 60},
	{"12237", "12237-main", "千葉県", "山武市", "Chiba-ken", "Sammu-shi", 50},
	{"12239", "12239-main", "千葉県", "大網白里市", "Chiba-ken", "Oamishirasato-shi", 50},
	{"12403", "12403-main", "千葉県", "九十九里町", "Chiba-ken", "Kujukuri-machi", 20},
	{"12409", "12409-main", "千葉県", "芝山町", "Chiba-ken", "Shibayama-machi", 10},
	{"12410", "12410-main", "千葉県", "横芝光町", "Chiba-ken", "Yokoshibahikari-machi", 25},
	{"13101", "13101-main", "東京都", "千代田区", "Tokyo-to", "Chiyoda-ku", 65},
	{"13112", "13112-main", "東京都", "世田谷区", "Tokyo-to", "Setagaya-ku", 450},
	{"23100", "23100-main", "愛知県", "名古屋市", "Aichi-ken", "Nagoya-shi", 450},
	{"27100", "27100-main", "大阪府", "大阪市", "Osaka-fu", "Osaka-shi", 450},
	{"40130", "40130-main", "福岡県", "福岡市", "Fukuoka-ken", "Fukuoka-shi", 300},
}

// Definition returns the place's office as in the log: open on working days from nine to five.
func (p Place) Definition() *events.OfficeDefined {
	return &events.OfficeDefined{
		Municipality: p.Code, Prefecture: p.Code[:2], Name: p.City, PrefectureRomaji: p.PrefectureRomaji,
		MunicipalityRomaji: p.CityRomaji, EffectiveFrom: "2000-01-01",
	}
}

// The roles of the sources that claims come from.
const (
	Counter   = "counter"
	Factory   = "factory"
	Register  = "register"
	Telephone = "telephone"
)

// Roles lists them all.
var Roles = []string{Counter, Factory, Register, Telephone}

// Source returns the id of a place's simulated source of a role.
func (p Place) Source(role string) string { return p.Office + "-simulated-" + role }

// CounterCode returns the counter id in certificate subjects (profile.md 2).
func (p Place) CounterCode() string { return p.Code + "S001" }

var families = []string{
	"佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "吉田", "山田", "佐々木", "山口", "松本",
	"井上", "木村", "林", "斎藤", "清水", "山崎", "森", "池田", "橋本", "阿部", "石川", "山下", "中島", "石井", "小川",
}

var givens = [2][]string{
	{"翔太", "大輔", "健一", "誠", "拓也", "茂", "清", "直樹", "亮", "剛", "蓮", "湊", "進", "博", "修"},
	{"美咲", "陽子", "恵子", "幸子", "愛", "彩", "葵", "陽菜", "和子", "節子", "結衣", "久美子", "真由美", "智子", "明美"},
}

var foreigners = []string{"NGUYEN VAN AN", "WANG FANG", "KIM MIN SU", "SANTOS MARIA", "SHARMA RAVI", "SILVA PAULO", "SMITH JOHN", "TRAN THI HOA"}

var streets = []string{"本町", "中央", "栄町", "緑町", "新町", "東町", "西町", "旭町", "若葉", "大手町"}
