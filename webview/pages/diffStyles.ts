import { css } from "lit";

export const diffStyles = css`
  :host {
    display: block;
    height: 100%;
    overflow-y: auto;
  }
  .sides {
    min-height: 28px;
  }
  .sides > span {
    flex: 1 1 200px;
    font-weight: 600;
  }
  .columns {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr));
    gap: 16px;
    align-items: start;
    margin-top: 16px;
  }
  .columns > section {
    min-width: 0;
  }
  .columns ~ section {
    margin-top: 16px;
  }
  .compare + p {
    margin: 8px 0 0;
  }
  .action {
    min-height: 40px;
    margin: 8px 0;
  }
  .action .row {
    min-height: 40px;
  }
  dl.facts {
    align-items: center;
  }
  .measures {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr));
    gap: 20px 32px;
    margin-top: 12px;
  }
  .measures > section {
    min-width: 0;
  }
`;
