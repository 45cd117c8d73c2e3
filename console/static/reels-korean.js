export const AWAY = {
  "Completed while you were away: {counted}": "자리를 비운 동안 완료: {counted}", "While you were away: {counted}": "자리를 비운 동안: {counted}", "While you were away": "자리를 비운 동안",
  "1 clip": "클립 1개", "{count} clips": "클립 {count}개", "{count} failed": "{count}개 실패", "and {count} more": "외 {count}개",
  "resumed from {percent} %": "{percent} %에서 이어서 진행", "resumed, {percent} % kept": "이어서 진행, {percent} % 유지", "resumed": "이어서 진행",
};

export const REELS = {
  "Reels": "릴", "New reel": "새 릴", "The reel": "릴 설정", "Drag the parts into their order, or use Alt with the arrow keys.": "부분을 끌어 순서를 정하거나 Alt와 방향키를 쓰세요.",
  "Add clips": "클립 추가", "Add ranges of a recording": "녹화의 구간 추가", "Part": "부분", "Part {number}: {name}": "부분 {number}: {name}", "Parts": "부분",
  "{name} is part {number} of {count}": "{name}: {count}개 중 {number}번째", "{name} was removed": "{name} 삭제됨", "The parts were removed": "부분을 지웠습니다", "Drag": "끌기",
  "Move {name} up": "{name} 위로", "Move {name} down": "{name} 아래로", "Change {name}": "{name} 바꾸기", "Remove {name}": "{name} 빼기",
  "Title of the chapter": "챕터 제목", "Rating": "평점", "Tags, with commas between": "태그(쉼표로 구분)", "Notes": "메모",
  "Between two parts": "부분 사이", "Cut": "바로 이어짐", "Fade": "페이드", "Dissolve": "디졸브", "Seconds of each": "전환 길이(초)", "Transitions can't be copied": "전환은 복사할 수 없습니다",
  "9:16, cropped": "9:16, 자르기", "9:16, following": "9:16, 자동 추적", "9:16, blurred sides": "9:16, 흐린 배경", "Another shape needs Encode": "다른 화면비는 인코딩이 필요합니다",
  "16:9, blurred sides": "16:9, 흐린 배경", "1:1, cropped": "1:1, 자르기", "A chapter for each part": "부분마다 챕터 넣기", "A table of the parts beside it": "부분 목록 표(TSV)도 만들기",
  "Parts may overlap, as in a replay": "리플레이처럼 부분이 겹쳐도 됨", "Clear": "비우기", "A reel has up to {count} parts.": "릴은 최대 {count}개 부분입니다.",
  "It would be {length} long; the longest allowed is {longest}.": "길이가 {length}입니다. 최대 {longest}까지 됩니다.", "Leave out parts, or make them shorter.": "부분을 빼거나 줄이세요.",
  "A reel has at most {count} parts": "릴은 최대 {count}개 부분까지 가능합니다", "{count} were left out.": "{count}개를 뺐습니다.",
  "1 part, {length} long.": "1개 부분, 길이 {length}.", "{count} parts, {length} long.": "{count}개 부분, 길이 {length}.", "All frames are re-encoded: part {number} has {what}, part 1 {other}.": "모든 프레임을 다시 인코딩합니다: 부분 {number}은 {what}, 부분 1은 {other}입니다.",
  "No frame is re-encoded. Each part starts at the keyframe before its in-point.": "다시 인코딩하지 않습니다. 각 부분은 시작점 앞의 키프레임에서 시작합니다.",
  "No frame is re-encoded, and each part starts at a keyframe.": "다시 인코딩하지 않으며, 각 부분은 키프레임에서 시작합니다.",
  "No frame is re-encoded. {count} parts start earlier, at keyframes: by up to {seconds} s.": "다시 인코딩하지 않습니다. {count}개 부분이 키프레임에 맞춰 최대 {seconds}초 앞에서 시작합니다.",
  "Only a few frames at both ends of the parts are re-encoded.": "부분의 양 끝 몇 프레임만 다시 인코딩합니다.",
  "Only frames at the ends of parts and in transitions are re-encoded.": "부분의 끝과 전환의 프레임만 다시 인코딩합니다.",
  "Reels cannot be listed now": "지금은 릴 목록을 볼 수 없습니다", "No reels yet": "아직 릴이 없습니다", "Choose clips and make a reel of them, or add ranges in the editor.": "클립을 골라 릴을 만들거나 편집에서 구간을 추가하세요.",
  "Choose clips": "클립 고르기", "Play from {name}": "{name}부터 재생", "Make a new reel of these parts": "이 부분들로 새 릴 만들기",
  "Make a reel of {count}": "{count}개로 릴 만들기", "Add {count} to the reel": "릴에 {count}개 추가", "{count} can't be part of a reel": "{count}개는 릴에 넣을 수 없습니다",
  "Their recording or range is not known: {names}": "녹화나 구간을 알 수 없습니다: {names}", "Write a number of seconds up to 5.": "5초까지의 숫자를 쓰세요.",
};
