// Korean of the shorts, and of the boxes over the frame.

export const SHORTS = {
  "{name}: x {x}, y {y}, {width} × {height}": "{name}: x {x}, y {y}, {width} × {height}", "movable box": "옮길 수 있는 상자",
  "Top left corner": "왼쪽 위 모서리", "Top right corner": "오른쪽 위 모서리", "Bottom left corner": "왼쪽 아래 모서리", "Bottom right corner": "오른쪽 아래 모서리",
};
