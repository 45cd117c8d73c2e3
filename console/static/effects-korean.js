// Korean of highlights and titles.

export const EFFECTS = {
  "Effects": "효과", "Highlight": "하이라이트", "Title": "제목", "Highlight {number}": "하이라이트 {number}", "Highlights are": "하이라이트 방식",
  "Ring": "고리", "Brighter": "더 밝게", "Darker around": "주변 어둡게", "Blurred around": "주변 흐리게", "Spotlight": "스포트라이트",
  "Highlights and titles need Encode": "하이라이트와 제목은 인코딩이 필요합니다",
  "Write a title, or remove it.": "제목을 쓰거나 지우세요.", "Use at most 200 characters.": "200자 이내로 쓰세요.", "It is outside of the range.": "구간 밖에 있습니다.",
  "Click whom to highlight, or drag around them. Enter places it in the middle.": "강조할 사람을 누르거나 둘레를 끌어 그리세요. Enter를 누르면 가운데에 놓습니다.",
  "Click whom to highlight, or drag around them.": "강조할 사람을 누르거나 둘레를 끌어 그리세요.",
  "stands still": "고정", "{count} points": "점 {count}개", "Remove this point": "이 점 지우기", "Remove {name}": "{name} 지우기",
  "From": "시작", "To": "끝", "Colour": "색", "Go to a later frame and move it there: it follows.": "뒤쪽 프레임으로 가서 옮기면 따라갑니다.",
  "at the top, in all of the clip": "위쪽, 클립 전체", "Remove the title": "제목 지우기", "Text": "글", "Second line": "둘째 줄", "Rating": "평가",
  "It is at the top of the upright frame.": "세로 화면의 위쪽에 있습니다.", "Place a highlight": "하이라이트 놓기",
};
