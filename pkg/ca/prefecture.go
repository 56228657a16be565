package ca

import "fmt"

// Prefecture is one of the 47: the first two digits of local government codes (law.md 11.4), its name in
// romaji as subjects write it, and in Japanese.
type Prefecture struct {
	Code, Romaji, Japanese string
}

// PrefectureByCode finds a prefecture by its two digits ("12" is Chiba-ken).
func PrefectureByCode(code string) (Prefecture, error) {
	for _, p := range prefectures {
		if p.Code == code {
			return p, nil
		}
	}
	return Prefecture{}, fmt.Errorf("finding prefecture %q: codes run from 01 to 47", code)
}

var prefectures = []Prefecture{
	{"01", "Hokkaido", "北海道"},
	{"02", "Aomori-ken", "青森県"},
	{"03", "Iwate-ken", "岩手県"},
	{"04", "Miyagi-ken", "宮城県"},
	{"05", "Akita-ken", "秋田県"},
	{"06", "Yamagata-ken", "山形県"},
	{"07", "Fukushima-ken", "福島県"},
	{"08", "Ibaraki-ken", "茨城県"},
	{"09", "Tochigi-ken", "栃木県"},
	{"10", "Gumma-ken", "群馬県"},
	{"11", "Saitama-ken", "埼玉県"},
	{"12", "Chiba-ken", "千葉県"},
	{"13", "Tokyo-to", "東京都"},
	{"14", "Kanagawa-ken", "神奈川県"},
	{"15", "Niigata-ken", "新潟県"},
	{"16", "Toyama-ken", "富山県"},
	{"17", "Ishikawa-ken", "石川県"},
	{"18", "Fukui-ken", "福井県"},
	{"19", "Yamanashi-ken", "山梨県"},
	{"20", "Nagano-ken", "長野県"},
	{"21", "Gifu-ken", "岐阜県"},
	{"22", "Shizuoka-ken", "静岡県"},
	{"23", "Aichi-ken", "愛知県"},
	{"24", "Mie-ken", "三重県"},
	{"25", "Shiga-ken", "滋賀県"},
	{"26", "Kyoto-fu", "京都府"},
	{"27", "Osaka-fu", "大阪府"},
	{"28", "Hyogo-ken", "兵庫県"},
	{"29", "Nara-ken", "奈良県"},
	{"30", "Wakayama-ken", "和歌山県"},
	{"31", "Tottori-ken", "鳥取県"},
	{"32", "Shimane-ken", "島根県"},
	{"33", "Okayama-ken", "岡山県"},
	{"34", "Hiroshima-ken", "広島県"},
	{"35", "Yamaguchi-ken", "山口県"},
	{"36", "Tokushima-ken", "徳島県"},
	{"37", "Kagawa-ken", "香川県"},
	{"38", "Ehime-ken", "愛媛県"},
	{"39", "Kochi-ken", "高知県"},
	{"40", "Fukuoka-ken", "福岡県"},
	{"41", "Saga-ken", "佐賀県"},
	{"42", "Nagasaki-ken", "長崎県"},
	{"43", "Kumamoto-ken", "熊本県"},
	{"44", "Oita-ken", "大分県"},
	{"45", "Miyazaki-ken", "宮崎県"},
	{"46", "Kagoshima-ken", "鹿児島県"},
	{"47", "Okinawa-ken", "沖縄県"},
}
