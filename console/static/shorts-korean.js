// Korean of the shorts, and of the boxes over the frame.

export const SHORTS = {
  "{name}: x {x}, y {y}, {width} × {height}": "{name}: x {x}, y {y}, {width} × {height}", "movable box": "옮길 수 있는 상자",
  "Top left corner": "왼쪽 위 모서리", "Top right corner": "오른쪽 위 모서리", "Bottom left corner": "왼쪽 아래 모서리", "Bottom right corner": "오른쪽 아래 모서리",
  "9:16 short": "9:16 쇼츠", "Framing": "구도", "Short of {name}": "{name} 쇼츠", "Fill the frame by": "화면 채우기", "Quality": "품질", "Medium": "중간",
  "Cropping": "자르기", "Following": "자동 추적", "Blurred sides": "흐린 배경", "Black bars": "검은 여백", "Crop": "자르기 창",
  "Reset crop": "자르기 초기화", "Request short": "쇼츠 요청", "Change the framing": "구도 바꾸기", "What the viewer sees": "시청자가 보는 화면",
  "Between the points": "점과 점 사이", "Straight": "직선", "Smooth": "곡선", "{length}, exact": "{length}, 정확", "about {size}": "약 {size}",
  "{width} × {height} at {place}": "{width} × {height}, 위치 {place}", "at {time}": "{time}", "Found when it is cut": "자를 때 정해집니다",
  "The window follows what moves. It is found when the clip is cut, and can be changed afterwards. Drag it to set it yourself.": "움직이는 것을 따라갑니다. 위치는 자를 때 정해지고 나중에 바꿀 수 있습니다. 직접 정하려면 창을 끌어 옮기세요.",
  "framing, 1 point": "구도, 점 1개", "framing, {count} points": "구도, 점 {count}개", "Move the crop: it makes a point at the playhead.": "자르기 창을 옮기면 재생 위치에 점이 생깁니다.",
  "movable point": "옮길 수 있는 점", "Framing at {time}: x {x}, y {y}": "{time}의 구도: x {x}, y {y}",
  "The frame is enlarged {times} times.": "화면이 {times}배 확대됩니다.", "The recording is {lines} lines high, a short has {to}.": "녹화는 세로 {lines}줄, 쇼츠는 {to}줄입니다.",
  "The recording is {width} pixels wide, a short has {to}.": "녹화는 가로 {width}픽셀, 쇼츠는 {to}픽셀입니다.",
  "The smallest window is {width} × {height}, a short is {to}.": "가장 작은 창은 {width} × {height}, 쇼츠는 {to}입니다.",
  "No limit": "제한 없음", "{used} in the last 24 hours": "지난 24시간에 {used}개", "Shorts left": "남은 쇼츠", "No shorts left today": "오늘 쓸 수 있는 쇼츠가 없습니다",
  "resets in {time}": "{time} 뒤 초기화", "next in {time}": "다음은 {time} 뒤", "The next one is free in {time}. Failed requests count too.": "다음 쇼츠는 {time} 뒤에 쓸 수 있습니다. 실패한 요청도 셉니다.",
  "Failed requests count too.": "실패한 요청도 셉니다.", "Request as recorded": "원본대로 요청", "Your shorts": "내 쇼츠", "deleted in": "삭제까지", "Deleted in {time}": "{time} 뒤 삭제",
  "Shorts cannot be listed now": "지금은 쇼츠 목록을 볼 수 없습니다", "No shorts yet": "아직 쇼츠가 없습니다", "Open the editor": "편집 열기",
  "Mark a range in the editor and choose the shape 9:16 short: it appears here.": "편집에서 구간을 정하고 화면비를 9:16 쇼츠로 고르면 여기에 나타납니다.",
  "The short could not be opened": "쇼츠를 열 수 없습니다",
};
