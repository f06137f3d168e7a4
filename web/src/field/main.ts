import { createApp } from 'vue'
import App from './App.vue'
import { keepPage } from './field'
import './styles/base.css'
import './styles/map.css'
import './styles/pages.css'
import './styles/spots.css'
import './styles/report.css'
import './styles/mine.css'
import './styles/evidence.css'

createApp(App).mount('#app')
void keepPage()
