module.exports = () => Number.isNaN;
